//! A fake Entra ID v2.0: device codes, tokens, and the page where a person enters the code.
//!
//! It keeps accounts, codes and tokens in memory and answers with the texts that Entra puts on the
//! wire. Tests play the person at the browser by [`Entra::approve`] and [`Entra::decline`], and make
//! trouble by [`Entra::next_calls`]. Id tokens are well formed but not signed.

mod directory;
mod fault;
mod http;
mod listener;
mod page;
mod token;
mod wire;

pub use directory::{Account, Call};
pub use fault::Fault;
pub use token::Token;

pub(crate) use directory::Directory;

use crate::fakes::{Authority, Certificate, runtime};
use listener::Acceptor;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long [`Entra::wait_for_code`] waits for somebody to ask for a code.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running fake. Dropping it closes its port.
pub struct Entra {
    base: String,
    authority: Arc<Authority>,
    directory: Arc<Directory>,
    stop: CancellationToken,
}

impl Entra {
    /// Starts on a free port of loopback, plain HTTP.
    pub fn start() -> Self {
        Self::begin(false)
    }

    /// Starts with TLS, with a certificate of [`Entra::authority`].
    pub fn start_https() -> Self {
        Self::begin(true)
    }

    fn begin(tls: bool) -> Self {
        let authority = Arc::new(Authority::new());
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address: SocketAddr = socket.local_addr().expect("a bound address");
        let base = if tls {
            format!("https://localhost:{}", address.port())
        } else {
            format!("http://127.0.0.1:{}", address.port())
        };
        let directory = Arc::new(Directory::new(&base));
        let stop = CancellationToken::new();
        let config = tls.then(|| authority.server(Certificate::Good));
        let acceptor = Acceptor::new(socket, config, stop.clone());
        runtime().spawn(http::serve(acceptor, directory.clone(), stop.clone()));
        Self {
            base,
            authority,
            directory,
            stop,
        }
    }

    /// The address without a slash at the end, such as `http://127.0.0.1:40321`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The device authorization endpoint, with `{tenant}` in it.
    pub fn device_endpoint(&self) -> String {
        format!("{}/{{tenant}}/oauth2/v2.0/devicecode", self.base)
    }

    /// The token endpoint, with `{tenant}` in it.
    pub fn token_endpoint(&self) -> String {
        format!("{}/{{tenant}}/oauth2/v2.0/token", self.base)
    }

    /// The page where a person enters the code.
    pub fn login_page(&self) -> String {
        format!("{}/devicelogin", self.base)
    }

    /// The authority that signs the certificates of both fakes.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The tenant that [`Entra::account`] puts accounts in.
    pub fn tenant(&self) -> &str {
        self.directory.tenant()
    }

    /// Adds an account of the usual tenant, or gives the one there is.
    pub fn account(&self, upn: &str) -> Account {
        self.directory.account(upn, None)
    }

    /// Adds an account of another tenant.
    pub fn account_in(&self, upn: &str, tenant: &str) -> Account {
        self.directory.account(upn, Some(tenant))
    }

    /// Waits until a client has asked for a code that nobody has answered yet; gives the user code.
    pub fn wait_for_code(&self) -> String {
        self.directory
            .wait_for_code(PATIENCE)
            .expect("nobody asked the fake Entra for a device code in time")
    }

    /// The user codes that wait for an answer, oldest first.
    pub fn waiting_codes(&self) -> Vec<String> {
        self.directory.waiting_codes()
    }

    /// The person enters this code and signs in with this account.
    pub fn approve(&self, user_code: &str, upn: &str) {
        let account = self.account(upn);
        self.directory
            .approve(user_code, &account)
            .unwrap_or_else(|words| panic!("the fake Entra: {words}"));
    }

    /// Waits for the next code and approves it.
    pub fn approve_next(&self, upn: &str) {
        let code = self.wait_for_code();
        self.approve(&code, upn);
    }

    /// Every code asked for from now on is approved at once, as this account.
    pub fn approve_all(&self, upn: &str) {
        let account = self.account(upn);
        self.directory.approve_all(Some(account));
    }

    /// Codes wait for an answer again.
    pub fn approve_nothing(&self) {
        self.directory.approve_all(None);
    }

    /// The person enters this code and says no.
    pub fn decline(&self, user_code: &str) {
        assert!(
            self.directory.decline(user_code),
            "the fake Entra: no code {user_code} waits"
        );
    }

    /// The fifteen minutes of this code are over.
    pub fn expire_code(&self, user_code: &str) {
        assert!(
            self.directory.expire_code(user_code),
            "the fake Entra: no code {user_code} waits"
        );
    }

    /// How often clients are told to poll; five seconds as long as nothing is said.
    pub fn poll_interval(&self, seconds: u64) {
        self.directory.settings().interval = seconds;
    }

    /// How long codes are good for; 900 seconds as long as nothing is said.
    pub fn code_lifetime(&self, seconds: u64) {
        self.directory.settings().code_lifetime = seconds;
    }

    /// How long access tokens from now on are good for; 3599 seconds as long as nothing is said.
    pub fn token_lifetime(&self, seconds: u64) {
        self.directory.settings().token_lifetime = seconds;
    }

    /// How long access tokens from now on are, in octets; 1600 as long as nothing is said.
    pub fn token_length(&self, octets: usize) {
        self.directory.settings().token_length = octets;
    }

    /// Whether an answer to a refresh holds a new refresh token; yes as long as nothing is said.
    pub fn rotate(&self, rotate: bool) {
        self.directory.settings().rotate = rotate;
    }

    /// Whether a used refresh token is dead, as with providers that detect reuse; Entra's are not.
    pub fn single_use_refresh_tokens(&self, yes: bool) {
        self.directory.settings().single_use = yes;
    }

    /// The application demands this secret on the token endpoint.
    pub fn client_secret(&self, secret: Option<&str>) {
        self.directory.settings().client_secret = secret.map(Into::into);
    }

    /// All sessions of this account are revoked: refresh tokens answer AADSTS50173 and access tokens
    /// open nothing.
    pub fn revoke(&self, upn: &str) {
        self.directory.revoke_sessions(upn);
    }

    /// The access tokens of this account open nothing any more, though their time is not over.
    pub fn kill_access_tokens(&self, upn: &str) {
        self.directory.kill_access_tokens(upn);
    }

    /// Gives a token without any flow, for tests of the fake Exchange and for benchmarks.
    pub fn issue(&self, upn: &str) -> String {
        let account = self.account(upn);
        self.directory.issue(&account, token::MAIL_SCOPES)
    }

    /// The next `times` calls of this kind meet this fault.
    pub fn next_calls(&self, call: Call, times: usize, fault: &Fault) {
        self.directory.next_calls(call, times, fault);
    }

    /// No call meets a fault any more.
    pub fn calm(&self) {
        self.directory.calm();
    }

    /// How many calls of this kind have come in.
    pub fn count(&self, call: Call) -> usize {
        self.directory.count(call)
    }

    /// Waits until so many calls of this kind have come in.
    pub fn wait_for_calls(&self, call: Call, times: usize) {
        assert!(
            self.directory.wait_for_calls(call, times, PATIENCE),
            "the fake Entra: {} calls of {call:?} in time, not {times}",
            self.count(call)
        );
    }

    /// Everything that must not stand in a log: codes, access tokens, refresh tokens, secrets.
    pub fn secrets(&self) -> Vec<String> {
        self.directory.secrets()
    }
}

impl Drop for Entra {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
