//! The running daemon, and its command line.

use super::{Client, Setup, binary::portreeve_binary, notify::Notify, secrets};
use crate::fakes::authority::client_for_pem;
use rustls::ClientConfig;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::{self, JoinHandle},
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

struct Process {
    child: Child,
    notify: Notify,
    readers: Vec<JoinHandle<()>>,
}

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

impl Process {
    fn start(setup: &Setup, log: &Arc<Mutex<String>>) -> Self {
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

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// Runs a command of the command line while no daemon runs.
pub(super) fn cli_without_daemon(setup: &Setup, arguments: &[&str], input: &str) -> Said {
    setup.write();
    finish(cli_start(setup, arguments), input)
}

impl Setup {
    /// Runs a command of the command line while no daemon runs.
    pub fn cli(&self, arguments: &[&str]) -> Said {
        cli_without_daemon(self, arguments, "")
    }
}

fn cli_start(setup: &Setup, arguments: &[&str]) -> Child {
    command(setup)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("portreeve starts")
}

/// Waits for the end of a command that [`Portreeve::cli_start`] began.
fn finish(mut child: Child, input: &str) -> Said {
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    Said::of(child)
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

fn command(setup: &Setup) -> Command {
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
fn signal(id: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill -{name} {id}"
    );
}
