//! Dovecot: IMAP and POP3 over TLS, where a login is a bearer token and nothing else.

use super::{
    Certificates, Oidc, Ports, Tether, fill,
    ports::ATTEMPTS,
    users::{give, group, user},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a message may be under way.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The one SASL mechanism that the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Microsoft's and Google's.
    Xoauth2,
    /// RFC 7628.
    Oauthbearer,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub struct DovecotPorts {
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// IMAP with TLS from the start.
    pub imaps: u16,
    /// POP3 with STLS.
    pub pop3: u16,
    /// POP3 with TLS from the start.
    pub pop3s: u16,
}

/// A running Dovecot.
pub struct Dovecot {
    /// Where it listens.
    pub ports: DovecotPorts,
    _tether: Tether,
    folder: TempDir,
}

impl Dovecot {
    /// Starts it; every mailbox exists that somebody logs in to or sends to.
    pub fn start(oidc: &Oidc, certificates: &Certificates, mechanism: Mechanism) -> Self {
        let mut words = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(oidc, certificates, mechanism) {
                Ok(running) => return running,
                Err(said) => words = said,
            }
        }
        panic!("dovecot does not start: {words}");
    }

    /// The socket that takes mail by LMTP.
    pub fn lmtp(&self) -> PathBuf {
        self.folder.path().join("lmtp")
    }

    /// The socket that answers other servers about logins.
    pub fn auth(&self) -> PathBuf {
        self.folder.path().join("auth")
    }

    /// Puts a message into the inbox of a local part exactly as it is, as a delivery agent would.
    pub fn deliver(&self, local: &str, message: &[u8]) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let inbox = self.inbox(local);
        for folder in [
            &inbox,
            &inbox.join("tmp"),
            &inbox.join("cur"),
            &inbox.join("new"),
        ] {
            if !folder.is_dir() {
                fs::create_dir(folder).expect("a Maildir");
                give(folder, &user("mail"), &group("mail"));
            }
        }
        let name = format!("{}.test", COUNT.fetch_add(1, Ordering::Relaxed));
        let writing = inbox.join("tmp").join(&name);
        fs::write(&writing, message).expect("a message file");
        give(&writing, &user("mail"), &group("mail"));
        fs::rename(&writing, inbox.join("new").join(&name)).expect("a delivery");
    }

    /// Waits until the inbox of a local part holds this many new messages and gives their bytes as
    /// they lie on disk, where a line ends with a mere LF.
    pub fn delivered(&self, local: &str, count: usize) -> Vec<Vec<u8>> {
        let folder = self.inbox(local).join("new");
        let until = Instant::now() + PATIENCE;
        loop {
            let mut files: Vec<_> = fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .map(|entry| entry.expect("an entry").path())
                .collect();
            if files.len() >= count {
                // The name begins with the second of the delivery.
                files.sort();
                return files
                    .iter()
                    .map(|file| fs::read(file).expect("a message file"))
                    .collect();
            }
            assert!(
                Instant::now() < until,
                "{} of {count} messages arrived; dovecot says:\n{}",
                files.len(),
                self.log()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn inbox(&self, local: &str) -> PathBuf {
        self.folder.path().join("mail").join(local)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("dovecot.log")).unwrap_or_default()
    }

    fn attempt(
        oidc: &Oidc,
        certificates: &Certificates,
        mechanism: Mechanism,
    ) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("dovecot-")
            .tempdir()
            .expect("a temp folder");
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("its mode");
        let mail = at.join("mail");
        fs::create_dir(&mail).expect("a folder for mail");
        let (mail_user, mail_group) = (user("mail"), group("mail"));
        give(&mail, &mail_user, &mail_group);
        let [imap, imaps, pop3, pop3s] = Ports::free();
        let ports = DovecotPorts {
            imap,
            imaps,
            pop3,
            pop3s,
        };
        let port = [imap, imaps, pop3, pop3s].map(|p| p.to_string());
        let configuration = fill(
            include_str!("../../servers/dovecot.conf"),
            &[
                ("folder", text(at)),
                ("internal-user", &user("dovecot")),
                ("internal-group", &group("dovecot")),
                ("login-user", &user("dovenull")),
                ("mail-user", &mail_user),
                ("mail-group", &mail_group),
                ("certificate", text(&certificates.certificate())),
                ("key", text(&certificates.key())),
                (
                    "mechanisms",
                    match mechanism {
                        Mechanism::Xoauth2 => "xoauth2",
                        Mechanism::Oauthbearer => "oauthbearer",
                    },
                ),
                ("imap", &port[0]),
                ("imaps", &port[1]),
                ("pop3", &port[2]),
                ("pop3s", &port[3]),
            ],
        );
        let (id, secret) = Oidc::introspection();
        let host = oidc.issuer().trim_start_matches("http://");
        let introspection = fill(
            include_str!("../../servers/dovecot-oauth2.conf.ext"),
            &[
                ("introspection-id", id),
                ("introspection-secret", secret),
                ("issuer-host", host),
            ],
        );
        let file = at.join("dovecot.conf");
        fs::write(&file, configuration).expect("dovecot.conf");
        fs::write(at.join("oauth2.conf.ext"), introspection).expect("oauth2.conf.ext");
        launch(&["dovecot", "-c", text(&file)], at)?;
        Ok(Self {
            ports,
            _tether: Tether::to_pid_file(&at.join("run/master.pid")),
            folder,
        })
    }
}

/// Runs a server that goes to the background by itself once every port is bound.
pub(crate) fn launch(command: &[&str], folder: &Path) -> Result<(), String> {
    // A file, not a pipe: the server keeps it open.
    let said = folder.join("start.log");
    let file = fs::File::create(&said).expect("a file for its words");
    let started = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .unwrap_or_else(|error| panic!("{}: {error}; ./test installs it", command[0]));
    if started.success() {
        return Ok(());
    }
    Err(fs::read_to_string(&said).unwrap_or_default())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
