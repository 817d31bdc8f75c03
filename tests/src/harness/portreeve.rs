//! The running daemon, and its command line.

use super::{
    Client, Said, Setup,
    command::{cli_start, command, finish},
    process::{Process, signal},
    secrets,
};
use crate::fakes::authority::client_for_pem;
use rustls::ClientConfig;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long the daemon may take to start, and to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lines of the log that a failed test shows.
const SHOWN_LINES: usize = 40;

/// A `portreeve run`. Dropping it kills it, and looks for secrets in what it logged.
pub struct Portreeve {
    setup: Setup,
    process: Process,
    addresses: BTreeMap<String, SocketAddr>,
    trust: OnceLock<Arc<ClientConfig>>,
    log: Arc<Mutex<String>>,
}

impl Portreeve {
    pub(super) fn start(setup: Setup) -> Self {
        let log = Arc::new(Mutex::new(String::new()));
        let process = Process::start(&setup, &log);
        let mut portreeve = Self {
            setup,
            process,
            addresses: BTreeMap::new(),
            trust: OnceLock::new(),
            log,
        };
        portreeve.wait_until_ready();
        portreeve
    }

    fn wait_until_ready(&mut self) {
        let Process { child, notify, .. } = &mut self.process;
        let gone = || !matches!(child.try_wait(), Ok(None));
        if let Err(words) = notify.wait("READY=1", PATIENCE, gone) {
            panic!("portreeve is not ready: {words}");
        }
        self.addresses = self.listeners();
    }

    /// Asks the daemon for its bound addresses.
    fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        let status = self.cli(&["status", "--json"]).ok().json();
        let listeners = status["listeners"].as_array().cloned().unwrap_or_default();
        listeners
            .iter()
            .filter_map(|listener| {
                let name = listener["name"].as_str()?.to_owned();
                let address = listener["address"].as_str()?.parse().ok()?;
                Some((name, address))
            })
            .collect()
    }

    /// The address of a listener by its name.
    pub fn address(&self, listener: &str) -> SocketAddr {
        *self
            .addresses
            .get(listener)
            .unwrap_or_else(|| panic!("no listener {listener} among {:?}", self.addresses))
    }

    /// SMTP with STARTTLS.
    pub fn smtp(&self) -> SocketAddr {
        self.address("smtp")
    }

    /// SMTP with TLS from the first byte.
    pub fn smtps(&self) -> SocketAddr {
        self.address("smtps")
    }

    /// IMAP with STARTTLS.
    pub fn imap(&self) -> SocketAddr {
        self.address("imap")
    }

    /// IMAP with TLS from the first byte.
    pub fn imaps(&self) -> SocketAddr {
        self.address("imaps")
    }

    /// POP3 with STLS.
    pub fn pop3(&self) -> SocketAddr {
        self.address("pop3")
    }

    /// POP3 with TLS from the first byte.
    pub fn pop3s(&self) -> SocketAddr {
        self.address("pop3s")
    }

    /// A plain connection to a listener.
    pub fn connect(&self, listener: &str) -> Client {
        Client::connect(self.address(listener)).trusting(&self.trust())
    }

    /// A TLS connection to a listener.
    pub fn connect_tls(&self, listener: &str) -> Client {
        Client::connect_tls(self.address(listener), &self.trust())
    }

    /// The local CA in PEM, by `portreeve ca export`.
    pub fn ca_pem(&self) -> String {
        self.cli(&["ca", "export"]).ok().out
    }

    /// A TLS client that trusts the local CA.
    pub fn trust(&self) -> Arc<ClientConfig> {
        self.trust
            .get_or_init(|| client_for_pem(&self.ca_pem()))
            .clone()
    }

    /// Runs a command of the command line to its end.
    pub fn cli(&self, arguments: &[&str]) -> Said {
        self.cli_with_input(arguments, "")
    }

    /// Runs a command with this text on its standard input.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Said {
        finish(self.cli_start(arguments), input)
    }

    /// Starts a command and leaves it running; its output is piped.
    pub fn cli_start(&self, arguments: &[&str]) -> Child {
        cli_start(&self.setup, arguments)
    }

    /// A command of the command line that is not started yet, for a person who wants to see it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.setup);
        command.args(arguments);
        command
    }

    /// What the daemon has logged and printed so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the log holds this text.
    pub fn wait_for_log(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "the log never said {text:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The folder that configuration and state are in.
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// The daemon's process id.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// The daemon's resident memory in octets.
    pub fn resident_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the daemon's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Changes the configuration file; takes effect with `reload` or a restart.
    pub fn configure(&mut self, change: impl FnOnce(Setup) -> Setup) {
        let setup = std::mem::take(&mut self.setup);
        self.setup = change(setup);
        self.setup.write();
    }

    /// `portreeve reload`, and then asks for the addresses again.
    pub fn reload(&mut self) -> Said {
        let said = self.cli(&["reload"]);
        if said.status.success() {
            self.addresses = self.listeners();
        }
        said
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits for the end of the daemon.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = self.process.child.try_wait() {
                return status;
            }
            assert!(Instant::now() < until, "portreeve does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the daemon politely, and looks for secrets in what it logged.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let status = self.wait_for_end();
        self.process.join_readers();
        self.assert_clean_log();
        status
    }

    /// Kills the daemon as a power failure would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a stopped or killed daemon again, with the same folder.
    pub fn start_again(&mut self) {
        self.process.kill();
        self.process = Process::start(&self.setup, &self.log);
        self.trust = OnceLock::new();
        self.wait_until_ready();
    }

    /// A text that must never stand in the log.
    pub fn keep_secret(&mut self, text: &str) {
        self.setup.secrets.push(text.to_owned());
    }

    /// As much of the log as a person reads after a failed test.
    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n") + "\n"
    }

    fn assert_clean_log(&self) {
        let mut texts = self.setup.secrets.clone();
        texts.push(secrets::BODY_MARKER.to_owned());
        secrets::assert_none_in(&self.log(), &texts);
        assert!(
            !self.log().contains("panicked at"),
            "portreeve panicked:\n{}",
            self.log_end()
        );
    }
}

impl Drop for Portreeve {
    fn drop(&mut self) {
        self.process.kill();
        if thread::panicking() {
            eprintln!(
                "---- the end of the log of portreeve\n{}----",
                self.log_end()
            );
        } else {
            self.assert_clean_log();
        }
    }
}
