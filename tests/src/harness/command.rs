//! The command line: runs a command and keeps what it said.

use super::{Setup, binary::portreeve_binary};
use serde_json::Value;
use std::{
    io::Write,
    process::{Child, Command, ExitStatus, Stdio},
};

/// What a command of the command line said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// How it ended.
    pub status: ExitStatus,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "an assertion is often the last that is asked of it"
)]
impl Said {
    /// Fails unless the command succeeded.
    pub fn ok(self) -> Self {
        assert!(
            self.status.success(),
            "the command failed ({}):\n{}{}",
            self.status,
            self.out,
            self.err
        );
        self
    }

    /// Fails if the command succeeded.
    pub fn failed(self) -> Self {
        assert!(
            !self.status.success(),
            "the command should have failed, and said:\n{}{}",
            self.out,
            self.err
        );
        self
    }

    /// Its standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not JSON ({error}):\n{}{}", self.out, self.err))
    }

    /// Output and errors together.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl Said {
    /// Waits for the end of a command that was left running.
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("the command ends");
        Self {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        }
    }
}

impl Setup {
    /// Runs a command of the command line while no daemon runs.
    pub fn cli(&self, arguments: &[&str]) -> Said {
        self.write();
        finish(cli_start(self, arguments), "")
    }
}

/// Starts a command with its input and output piped.
pub(super) fn cli_start(setup: &Setup, arguments: &[&str]) -> Child {
    command(setup)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("portreeve starts")
}

/// Gives a running command its input and waits for its end.
pub(super) fn finish(mut child: Child, input: &str) -> Said {
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    Said::of(child)
}

/// The program with its configuration file and state folder, and nothing of our own surroundings.
pub(super) fn command(setup: &Setup) -> Command {
    let folder = setup.folder();
    let mut command = Command::new(portreeve_binary());
    command
        .arg("--config")
        .arg(folder.join("portreeve.toml"))
        .arg("--state-dir")
        .arg(folder.join("state"))
        .env_remove("NOTIFY_SOCKET")
        .env_remove("STATE_DIRECTORY")
        .env_remove("CONFIGURATION_DIRECTORY")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("NO_COLOR", "1");
    command
}
