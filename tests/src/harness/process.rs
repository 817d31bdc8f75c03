//! The daemon's process: started, listened to, signalled, killed by its id.

use super::{Setup, command::command, notify::Notify};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

pub(super) struct Process {
    pub(super) child: Child,
    pub(super) notify: Notify,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(super) fn start(setup: &Setup, log: &Arc<Mutex<String>>) -> Self {
        setup.write();
        let notify = Notify::new(setup.folder());
        let mut child = command(setup)
            .arg("run")
            .args(&setup.arguments)
            .env("NOTIFY_SOCKET", notify.path())
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("portreeve starts");
        let out = child.stdout.take().expect("its output");
        let err = child.stderr.take().expect("its errors");
        let readers = vec![gather(out, log), gather(err, log)];
        Self {
            child,
            notify,
            readers,
        }
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    pub(super) fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn gather(from: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = log.clone();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

/// Sends a signal to a process that we started; std has no call for it.
pub(super) fn signal(id: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill -{name} {id}"
    );
}
