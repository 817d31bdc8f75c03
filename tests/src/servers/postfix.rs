//! Postfix as a submission server: XOAUTH2 after TLS, delivery into Dovecot's mailboxes.

use super::{
    Certificates, Dovecot, Ports, Tether,
    dovecot::{launch, text},
    fill,
    ports::ATTEMPTS,
    users::give,
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use tempfile::TempDir;

/// A running Postfix.
pub struct Postfix {
    /// Where it takes mail after STARTTLS.
    pub submission: u16,
    /// Where it takes mail with TLS from the start.
    pub submissions: u16,
    _tether: Tether,
    folder: TempDir,
}

impl Postfix {
    /// Starts it for one mail domain. Postfix itself insists on root.
    pub fn start(dovecot: &Dovecot, certificates: &Certificates, domain: &str) -> Self {
        let mut words = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(dovecot, certificates, domain) {
                Ok(running) => return running,
                Err(said) => words = said,
            }
        }
        panic!("postfix does not start: {words}");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        log(self.folder.path())
    }

    fn attempt(
        dovecot: &Dovecot,
        certificates: &Certificates,
        domain: &str,
    ) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("postfix-")
            .tempdir()
            .expect("a temp folder");
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::create_dir(at.join("queue")).expect("a queue folder");
        fs::create_dir(at.join("data")).expect("a data folder");
        give(&at.join("data"), "postfix", "postfix");
        let [submission, submissions] = Ports::free();
        let main = fill(
            include_str!("../../servers/postfix-main.cf"),
            &[
                ("folder", text(at)),
                ("mail-owner", "postfix"),
                ("setgid-group", "postdrop"),
                ("domains", domain),
                ("lmtp", text(&dovecot.lmtp())),
                ("auth", text(&dovecot.auth())),
                ("certificate", text(&certificates.certificate())),
                ("key", text(&certificates.key())),
            ],
        );
        let master = fill(
            include_str!("../../servers/postfix-master.cf"),
            &[
                ("submission", &submission.to_string()),
                ("submissions", &submissions.to_string()),
            ],
        );
        fs::write(at.join("main.cf"), main).expect("main.cf");
        fs::write(at.join("master.cf"), master).expect("master.cf");
        launch(&["postfix", "-c", text(at), "start"], at)
            .map_err(|said| format!("{said}{}", log(at)))?;
        Ok(Self {
            submission,
            submissions,
            _tether: Tether::to_pid_file(&at.join("queue/pid/master.pid")),
            folder,
        })
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("postfix.log")).unwrap_or_default()
}
