//! Tokens as the fake issues them: opaque, long, and good for some protocols.

use crate::fakes::random;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::directory::Account;

/// The scopes of a mailbox that all three protocols may use.
pub(crate) const MAIL_SCOPES: &str = "https://outlook.office.com/IMAP.AccessAsUser.All \
     https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send \
     offline_access openid profile";

/// An access token that the fake has issued.
#[derive(Debug)]
pub struct Token {
    /// Who signed in.
    pub upn: String,
    /// May read by IMAP.
    pub imap: bool,
    /// May read by POP3.
    pub pop3: bool,
    /// May send by SMTP.
    pub smtp: bool,
    expires: Instant,
    dead: AtomicBool,
}

impl Token {
    pub(super) fn new(upn: &str, scope: &str, lifetime: Duration) -> Self {
        // A scope without Exchange as its resource is a Graph scope, and opens nothing.
        let has = |permission: &str| {
            scope.split_ascii_whitespace().any(|scope| {
                [
                    "https://outlook.office.com/",
                    "https://outlook.office365.com/",
                ]
                .into_iter()
                .filter_map(|base| scope.strip_prefix(base))
                .any(|rest| rest == permission || rest == ".default")
            })
        };
        Self {
            upn: upn.to_owned(),
            imap: has("IMAP.AccessAsUser.All"),
            pop3: has("POP.AccessAsUser.All"),
            smtp: has("SMTP.Send"),
            expires: Instant::now() + lifetime,
            dead: AtomicBool::new(false),
        }
    }

    /// Whether it opens anything at this moment.
    pub fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed) && Instant::now() < self.expires
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}

/// An opaque text of this length that begins like Microsoft's.
pub(super) fn opaque(prefix: &str, length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    text.push_str(prefix);
    while text.len() < length {
        URL_SAFE_NO_PAD.encode_string(random::<48>(), &mut text);
    }
    text.truncate(length);
    text
}

/// An id token: well formed, not signed.
pub(super) fn id_token(base: &str, account: &Account, client: &str, lifetime: Duration) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let header = json!({ "typ": "JWT", "alg": "none" });
    let claims = json!({
        "aud": client,
        "iss": format!("{base}/{}/v2.0", account.tid),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime.as_secs().max(3600),
        "name": account.upn,
        "oid": account.oid,
        "preferred_username": account.upn,
        "sub": account.oid.chars().rev().collect::<String>(),
        "tid": account.tid,
        "ver": "2.0",
    });
    format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}
