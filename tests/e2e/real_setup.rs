//! Real servers, the daemon in front of them, a mailbox signed in by a real device flow, and the
//! means to run a client program against it.

use portreeve_tests::{
    harness::{Client, Device, Portreeve, Said, Setup},
    servers::{Mechanism, OidcOptions, Servers},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

pub(crate) const MAILBOX: &str = "scans@contoso.com";
/// What the mailbox's owner types as user name at the identity provider.
pub(crate) const SUBJECT: &str = "scanner-account";
/// A client that takes longer hangs.
const CLIENT_SECONDS: &str = "60";

/// Everything at once.
pub(crate) struct Real {
    /// The daemon; it goes before the servers.
    pub(crate) portreeve: Portreeve,
    pub(crate) servers: Servers,
    pub(crate) device: Device,
}

impl Real {
    pub(crate) fn start() -> Self {
        Self::with(Mechanism::Xoauth2, |_, setup| setup)
    }

    pub(crate) fn with(
        mechanism: Mechanism,
        change: impl FnOnce(&Servers, Setup) -> Setup,
    ) -> Self {
        let servers = Servers::start(OidcOptions::default(), mechanism);
        let mut portreeve = change(&servers, servers.setup()).start();
        sign_in(&portreeve, &servers, &["mailbox", "add", MAILBOX, "--json"]);
        let said = portreeve
            .cli(&[
                "device",
                "add",
                "Ticket system",
                "--mailbox",
                MAILBOX,
                "--json",
            ])
            .ok();
        let card = &said.json()["card"];
        let word = |key: &str| {
            card[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {card}"))
        };
        let device = Device {
            login: word("user").to_owned(),
            password: word("password").to_owned(),
        };
        portreeve.keep_secret(&device.password);
        let ca = portreeve.ca_pem();
        fs::write(portreeve.folder().join("ca.pem"), ca).expect("the CA file");
        Self {
            portreeve,
            servers,
            device,
        }
    }

    /// An SMTP session of the device, logged in after STARTTLS.
    pub(crate) fn smtp(&self) -> Client {
        let mut client = self.portreeve.connect("smtp");
        client
            .expect("220")
            .line("EHLO ticket-system")
            .expect("250");
        client.line("STARTTLS").expect("220").start_tls();
        client.line("EHLO ticket-system").expect("250");
        client
            .line(&format!("AUTH PLAIN {}", self.device.plain()))
            .expect("235");
        client
    }

    /// An IMAP session of the device, logged in over TLS.
    pub(crate) fn imap(&self) -> Client {
        let mut client = self.portreeve.connect_tls("imaps");
        client
            .expect("* OK")
            .line(&self.imap_login())
            .expect_until("a OK");
        client
    }

    /// The IMAP command by which the device logs in, tagged `a`.
    pub(crate) fn imap_login(&self) -> String {
        format!(
            "a LOGIN \"{}\" \"{}\"",
            self.device.login, self.device.password
        )
    }

    /// A POP3 session of the device, logged in after STLS.
    pub(crate) fn pop3(&self) -> Client {
        let mut client = self.portreeve.connect("pop3");
        client.expect("+OK").line("STLS").expect("+OK").start_tls();
        client
            .line(&format!("USER {}", self.device.login))
            .expect("+OK")
            .line(&format!("PASS {}", self.device.password))
            .expect("+OK");
        client
    }

    /// The file with Portreeve's own CA, as an admin would export it for clients.
    pub(crate) fn ca(&self) -> String {
        self.path("ca.pem")
    }

    /// The port of a listener.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.portreeve.address(listener).port()
    }

    /// A file or folder for a client.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.portreeve.folder().join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes a file for a client, which only its owner may read.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, content).expect("a file for a client");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    /// Runs a client and fails unless it succeeds.
    pub(crate) fn run(&self, command: &[&str], input: impl AsRef<[u8]>) -> Output {
        let output = self.try_run(command, input);
        assert!(
            output.status.success(),
            "{command:?}: {}\n{}{}\npostfix:\n{}\ndovecot:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.servers.postfix.log(),
            self.servers.dovecot.log(),
        );
        output
    }

    /// Runs a client to its end, in a home of its own.
    pub(crate) fn try_run(&self, command: &[&str], input: impl AsRef<[u8]>) -> Output {
        let home = PathBuf::from(self.path("home"));
        fs::create_dir_all(&home).expect("a home");
        let mut child = Command::new("timeout")
            .args(["--kill-after", "5", CLIENT_SECONDS])
            .args(command)
            .current_dir(&home)
            .env("HOME", &home)
            .env("LC_ALL", "C.UTF-8")
            .env("NO_PROXY", "*")
            .env_remove("MAILRC")
            .env_remove("MAIL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("timeout");
        let mut stdin = child.stdin.take().expect("its input");
        // A client that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_ref());
        drop(stdin);
        child.wait_with_output().expect("its end")
    }

    /// The one message that has arrived in the mailbox, as it lies on Dovecot's disk.
    pub(crate) fn arrived(&self) -> Vec<u8> {
        let mut messages = self.servers.dovecot.delivered("scans", 1);
        assert_eq!(messages.len(), 1, "one message");
        messages.remove(0)
    }

    /// Puts a message into the mailbox.
    pub(crate) fn put(&self, message: &[u8]) {
        self.servers.dovecot.deliver("scans", message);
    }
}

/// Runs a command that begins a sign-in, signs in as the mailbox's owner when it shows link and code,
/// and gives what it said.
pub(crate) fn sign_in(portreeve: &Portreeve, servers: &Servers, command: &[&str]) -> Said {
    let mut adding = portreeve.cli_start(command);
    let mut out = BufReader::new(adding.stdout.take().expect("its output"));
    let mut said = String::new();
    while out.read_line(&mut said).expect("a line") > 0 {
        let line = said.lines().next_back().unwrap_or_default();
        let view: Value = serde_json::from_str(line).expect("a step as JSON");
        if view["stage"] == "waiting" {
            let word = |key: &str| view[key].as_str().expect(key).to_owned();
            let page = servers.oidc.sign_in(&word("link"), &word("code"), SUBJECT);
            assert!(page.contains("Sign-in Success"), "{page}");
        }
    }
    let ended = Said::of(adding);
    Said { out: said, ..ended }.ok()
}
