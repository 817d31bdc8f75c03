//! Use case of a mailbox: test. Takes a token and logs in by each protocol for real.

use std::time::{Duration, SystemTime};

use portreeve_auth::{Audience, Mailbox, MinLife, Protocol};
use serde::{Deserialize, Serialize};

use super::find;
use crate::control::{Asker, Control, Failure, sign_in};

/// What a message needs; more would only make the test slower.
pub(super) const TEST_LIFE: MinLife = MinLife::AtLeast(Duration::from_mins(10));

/// Tests a mailbox for real.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Test {
    /// Its address.
    pub(crate) mailbox: String,
}

/// What a test saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tested {
    /// The mailbox's address.
    pub(crate) mailbox: String,
    /// Whether there was a token.
    pub(crate) has_token: bool,
    /// About the token, in words.
    pub(crate) token: String,
    /// Each protocol; empty without a token.
    pub(crate) protocols: Vec<TestedProtocol>,
}

/// What a test saw of one protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TestedProtocol {
    /// `smtp`, `imap` or `pop3`.
    pub(crate) protocol: String,
    /// The server that was asked.
    pub(crate) server: String,
    /// Whether it let us in.
    pub(crate) works: bool,
    /// What it said.
    pub(crate) words: String,
    /// How long it took.
    pub(crate) milliseconds: u64,
}

impl Tested {
    /// Whether everything worked.
    pub(crate) fn works(&self) -> bool {
        self.has_token && self.protocols.iter().all(|protocol| protocol.works)
    }
}

/// Takes a token and logs in by each protocol.
pub(crate) async fn test(control: &Control, test: Test, _: &Asker) -> Result<Tested, Failure> {
    let mailbox = find(control, &test.mailbox).await?;
    let token = match control
        .broker
        .token(&mailbox, Audience::Mail, TEST_LIFE)
        .await
    {
        Ok(token) => token,
        Err(reason) => {
            return Ok(Tested {
                mailbox: mailbox.address.clone(),
                has_token: false,
                token: format!(
                    "No token for {}: {}",
                    mailbox.address,
                    sign_in::sentence(&reason)
                ),
                protocols: Vec::new(),
            });
        }
    };
    let left = token
        .expires_at()
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    let (smtp, imap, pop3) = tokio::join!(
        Box::pin(tested(control, &mailbox, Protocol::Smtp)),
        Box::pin(tested(control, &mailbox, Protocol::Imap)),
        Box::pin(tested(control, &mailbox, Protocol::Pop3)),
    );
    Ok(Tested {
        has_token: true,
        token: format!(
            "A token for {} is at hand, good for {} min.",
            mailbox.address,
            left.as_secs() / 60
        ),
        mailbox: mailbox.address.clone(),
        protocols: vec![smtp, imap, pop3],
    })
}

/// Logs in by one protocol.
pub(super) async fn tested(
    control: &Control,
    mailbox: &Mailbox,
    protocol: Protocol,
) -> TestedProtocol {
    let config = control.config();
    let server = config
        .mail_servers(&mailbox.provider)
        .endpoint(protocol)
        .to_string();
    let probe = control.upstream.probe(mailbox, protocol).await;
    let (works, said) = match probe.outcome {
        Ok(()) => (true, "logged in".to_owned()),
        Err(failure) => (false, failure.to_string()),
    };
    TestedProtocol {
        protocol: protocol.to_string(),
        server,
        works,
        words: said,
        milliseconds: probe.duration.as_millis().try_into().unwrap_or(u64::MAX),
    }
}
