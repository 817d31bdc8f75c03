//! Stops a server when the test that started it is gone, however it went.
//!
//! A small shell waits on a pipe that the test holds open. When the pipe closes, by a drop or by the
//! death of the process, the shell ends the server by the process number that the server wrote down.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The promise that a server ends when this value or its process is gone.
pub struct Tether {
    shell: Child,
}

impl Tether {
    /// Ties down the server whose process number is in this file.
    pub fn to_pid_file(file: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", "cat >/dev/null; kill $(cat \"$0\")"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: a test runner that ends a test by its group must not end this.
            .process_group(0)
            .spawn()
            .expect("sh");
        Self { shell }
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
