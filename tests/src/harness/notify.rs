//! The socket on which a daemon tells systemd, here us, that it is ready.

use std::{
    io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub(super) struct Notify {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notify {
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket to be notified on");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time-out");
        Self { socket, path }
    }

    /// What goes into `NOTIFY_SOCKET`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a message that holds this line. `give_up` is asked between messages.
    pub(super) fn wait(
        &self,
        line: &str,
        patience: Duration,
        mut give_up: impl FnMut() -> bool,
    ) -> Result<(), &'static str> {
        let mut buffer = [0; 4096];
        let until = Instant::now() + patience;
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    if text.lines().any(|said| said == line) {
                        return Ok(());
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => return Err("the notify socket failed"),
            }
            if give_up() {
                return Err("the program ended");
            }
            if Instant::now() > until {
                return Err("the time is over");
            }
        }
    }
}
