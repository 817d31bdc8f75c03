//! The identity provider: `oidc-provider` from npm, configured in `tests/servers/oidc.mjs`.

use super::{Browser, files};
use serde::Deserialize;
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// What a test chooses about the provider.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// Accounts as pairs of subject and mail address; the subject is what logs in.
    pub accounts: Vec<(String, String)>,
    /// How long an access token lives.
    pub access_token_seconds: u64,
}

impl Default for OidcOptions {
    fn default() -> Self {
        Self {
            accounts: vec![("scanner-account".into(), "scans@contoso.com".into())],
            access_token_seconds: 3600,
        }
    }
}

/// What the provider has been asked so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Tokens given for a device code.
    pub device: u64,
    /// Tokens given for a refresh token.
    pub refresh: u64,
    /// Refresh tokens refused.
    pub refresh_failed: u64,
    /// Tokens that a mail server asked about.
    pub introspection: u64,
}

/// A running provider.
pub struct Oidc {
    issuer: String,
    node: Child,
}

impl Oidc {
    /// The public client that Portreeve signs in as.
    pub const CLIENT: &'static str = "portreeve";

    /// Starts it on a free port.
    pub fn start(options: OidcOptions) -> Self {
        assert!(
            files().join("node_modules/oidc-provider").is_dir(),
            "oidc-provider is not installed: ./test installs it by `npm ci` in tests/servers"
        );
        let accounts: serde_json::Map<_, _> = options
            .accounts
            .into_iter()
            .map(|(subject, address)| (subject, address.into()))
            .collect();
        let settings = json!({
            "accounts": accounts,
            "accessTokenSeconds": options.access_token_seconds,
        });
        let mut node = Command::new("node")
            .arg(files().join("oidc.mjs"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(tempfile::tempfile().expect("a file for its words"))
            .process_group(0)
            .spawn()
            .expect("node");
        let mut line = String::new();
        BufReader::new(node.stdout.as_mut().expect("its output"))
            .read_line(&mut line)
            .expect("a line from the provider");
        let told: serde_json::Value = serde_json::from_str(&line).expect("the issuer as JSON");
        Self {
            issuer: told["issuer"].as_str().expect("an issuer").to_owned(),
            node,
        }
    }

    /// The issuer, which is also the base of every address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name and secret by which mail servers ask about tokens.
    pub(crate) fn introspection() -> (&'static str, &'static str) {
        ("mail-server", "introspects")
    }

    /// Does what a person does with the link and the code of a device login: opens the page, types
    /// the code, signs in as `subject` and consents. Answers with the text of the last page.
    pub fn sign_in(&self, link: &str, code: &str, subject: &str) -> String {
        let mut browser = Browser::new();
        let mut page = browser.get(link);
        // Code, confirmation, login, consent: four forms, one in reserve.
        for _ in 0..5 {
            let Some(form) = page.form() else { break };
            page = browser.submit(
                &form,
                &[("user_code", code), ("login", subject), ("password", "any")],
            );
        }
        assert!(page.form().is_none(), "the sign-in does not end");
        page.text
    }

    /// Ends all access tokens; sign-ins stay.
    pub fn expire_access_tokens(&self) {
        self.hand("expire-access-tokens");
    }

    /// Takes back every sign-in.
    pub fn revoke(&self) {
        self.hand("revoke");
    }

    /// What it has been asked so far.
    pub fn counts(&self) -> Counts {
        serde_json::from_str(&self.hand("counts")).expect("counts as JSON")
    }

    /// Takes the sign-in by itself, as a client would, and gives an access token: for tests of the
    /// mail servers without Portreeve.
    pub fn token(&self, subject: &str) -> String {
        let mut browser = Browser::new();
        let begun = browser.post(
            &format!("{}/device/auth", self.issuer),
            &[
                ("client_id", Self::CLIENT),
                ("scope", "openid offline_access"),
            ],
        );
        let begun: serde_json::Value = serde_json::from_str(&begun.text).expect("a device code");
        let word = |name: &str| begun[name].as_str().expect(name).to_owned();
        self.sign_in(&word("verification_uri"), &word("user_code"), subject);
        let granted = browser.post(
            &format!("{}/token", self.issuer),
            &[
                ("client_id", Self::CLIENT),
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", &word("device_code")),
            ],
        );
        let granted: serde_json::Value = serde_json::from_str(&granted.text).expect("a token");
        granted["access_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    fn hand(&self, name: &str) -> String {
        Browser::new()
            .get(&format!("{}/test/{name}", self.issuer))
            .text
    }
}

impl Drop for Oidc {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.node.stdin.take());
        let _ = self.node.wait();
    }
}
