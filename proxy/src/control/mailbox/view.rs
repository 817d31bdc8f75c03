//! A mailbox as people see it: green, amber and red in words.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portreeve_auth::{
    DeviceId, Grant, GrantId, Health, Mailbox, MailboxId, Protocol, Reason, ReasonKind,
};
use portreeve_protocols::Refusal;
use serde::{Deserialize, Serialize};

use crate::control::{
    Control, Failure,
    sign_in::{self, SignInView, Stage},
};

/// A mailbox as people see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MailboxView {
    /// Its address.
    pub(crate) address: String,
    /// How it is.
    pub(crate) state: State,
    /// Its provider's name.
    pub(crate) provider: String,
    /// The tenant, where it is not the provider's.
    pub(crate) tenant: Option<String>,
    /// The client id, where it is not the provider's.
    pub(crate) client_id: Option<String>,
    /// Who is expected to sign in.
    pub(crate) signs_in_as: String,
    /// Who did.
    pub(crate) signed_in_as: Option<String>,
    /// Other mailboxes that the same sign-in opens.
    pub(crate) shares_sign_in_with: Vec<String>,
    /// The sign-in under way.
    pub(crate) sign_in: Option<SignInView>,
    /// When the sign-in was last made or renewed, in epoch milliseconds.
    pub(crate) renewed_at: Option<i64>,
    /// When the token at hand ends, in epoch milliseconds; it is renewed before.
    pub(crate) token_expires_at: Option<i64>,
    /// The names of the devices that may use it.
    pub(crate) devices: Vec<String>,
    /// When it was added, in epoch milliseconds.
    pub(crate) created_at: i64,
}

/// How a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// For programs: `works`, `refused` (the sign-in works, but the exchange refuses a protocol),
    /// `unsaved`, `waiting`, `sign-in-needed`, `blocked`, `admin-must-fix` or `trying-later`.
    pub(crate) kind: String,
    /// For people.
    pub(crate) words: String,
    /// Microsoft's error number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u32>,
    /// Trace and correlation ids for Microsoft's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    /// Since when, in epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<i64>,
}

/// All mailboxes as people see them.
pub(in crate::control) async fn views(control: &Control) -> Result<Vec<MailboxView>, Failure> {
    let looked = Looked::at(control).await?;
    let mailboxes = looked.mailboxes.iter();
    Ok(mailboxes
        .filter_map(|mailbox| looked.view(control, mailbox))
        .collect())
}

/// One mailbox as people see it.
pub(super) async fn view(control: &Control, mailbox: &Mailbox) -> Result<MailboxView, Failure> {
    let looked = Looked::at(control).await?;
    looked.view(control, mailbox).ok_or_else(|| {
        Failure::request(format!("{} was removed in the meantime.", mailbox.address))
    })
}

/// What views are made from, read once.
struct Looked {
    mailboxes: Vec<Mailbox>,
    grants: BTreeMap<GrantId, Grant>,
    devices: BTreeMap<MailboxId, Vec<String>>,
    sign_ins: BTreeMap<GrantId, SignInView>,
}

impl Looked {
    async fn at(control: &Control) -> Result<Self, Failure> {
        let grants = control.store.grants().await?;
        let grants: BTreeMap<_, _> = grants.into_iter().map(|g| (g.id.clone(), g)).collect();
        let mailboxes = control.store.mailboxes().await?;
        Ok(Self {
            sign_ins: sign_in::pending(control, &mailboxes, &grants).await?,
            devices: names_of_devices(control).await?,
            mailboxes,
            grants,
        })
    }

    fn view(&self, control: &Control, mailbox: &Mailbox) -> Option<MailboxView> {
        let grant = self.grants.get(&mailbox.grant)?;
        let health = control.broker.health(mailbox);
        let sign_in = self.sign_ins.get(&mailbox.grant).map(|sign_in| SignInView {
            mailbox: mailbox.address.clone(),
            ..sign_in.clone()
        });
        let token_expires_at = match &health {
            Health::Works { expires_at } => expires_at.map(millis),
            _ => None,
        };
        let shares = |other: &&Mailbox| other.grant == mailbox.grant && other.id != mailbox.id;
        Some(MailboxView {
            address: mailbox.address.clone(),
            state: refused_by_exchange(
                state(&health, sign_in.as_ref(), grant),
                &control.upstream.trouble(&mailbox.address),
            ),
            provider: grant.provider.clone(),
            tenant: grant.tenant.clone(),
            client_id: grant.client_id.clone(),
            signs_in_as: grant.expected_account.clone(),
            signed_in_as: grant.account.clone(),
            shares_sign_in_with: self
                .mailboxes
                .iter()
                .filter(shares)
                .map(|other| other.address.clone())
                .collect(),
            sign_in,
            renewed_at: grant.renewed_at,
            token_expires_at,
            devices: self.devices.get(&mailbox.id).cloned().unwrap_or_default(),
            created_at: mailbox.created_at,
        })
    }
}

/// The names of the devices of each mailbox, in the order of their user names.
async fn names_of_devices(control: &Control) -> Result<BTreeMap<MailboxId, Vec<String>>, Failure> {
    let mut mailboxes: BTreeMap<DeviceId, Vec<MailboxId>> = BTreeMap::new();
    for binding in control.store.bindings().await? {
        mailboxes
            .entry(binding.device)
            .or_default()
            .push(binding.mailbox);
    }
    let mut names: BTreeMap<MailboxId, Vec<String>> = BTreeMap::new();
    for device in control.store.devices().await? {
        for mailbox in mailboxes.remove(&device.id).unwrap_or_default() {
            names.entry(mailbox).or_default().push(device.name.clone());
        }
    }
    Ok(names)
}

/// A state in words: green, amber and red of the later page.
pub(super) fn state(health: &Health, sign_in: Option<&SignInView>, grant: &Grant) -> State {
    let plain = |kind: &str, words: String| State {
        kind: kind.to_owned(),
        words,
        code: None,
        trace: None,
        since: None,
    };
    let sign_in = sign_in.map(|sign_in| &sign_in.stage);
    match (health, sign_in) {
        (Health::Works { .. }, _) => plain("works", "works".to_owned()),
        (Health::Unsaved { words }, _) => plain(
            "unsaved",
            format!("works, but the newest sign-in cannot be saved: {words}"),
        ),
        (_, Some(Stage::Waiting { code, .. })) => {
            plain("waiting", format!("waiting for sign-in (code {code})"))
        }
        (_, Some(Stage::NeedsConfirmation { account })) => plain(
            "waiting",
            format!(
                "signed in as {account}; accept or decline it with `portreeve mailbox confirm`"
            ),
        ),
        (_, Some(Stage::Proving)) => plain("waiting", "signed in, being tried".to_owned()),
        (Health::NotSignedIn, _) if grant.signed_in => plain("works", "works".to_owned()),
        (Health::NotSignedIn, _) => plain(
            "sign-in-needed",
            "sign in needed: nobody has signed in yet".to_owned(),
        ),
        (Health::NeedsSignIn { since, reason } | Health::Trouble { since, reason }, _) => {
            troubled(*since, reason)
        }
    }
}

/// A mailbox that works as far as tokens go, but not with every protocol.
pub(super) fn refused_by_exchange(
    state: State,
    trouble: &[(Protocol, Refusal, Duration)],
) -> State {
    let Some(longest) = trouble.iter().map(|(_, _, age)| *age).max() else {
        return state;
    };
    if state.kind != "works" {
        return state;
    }
    let refused: Vec<String> = trouble
        .iter()
        .map(|(protocol, refusal, _)| {
            let name = protocol.to_string().to_uppercase();
            format!("{name} is refused: {}", refusal.words)
        })
        .collect();
    State {
        kind: "refused".to_owned(),
        words: format!("signed in, but {}", refused.join("; ")),
        since: Some(millis(SystemTime::now() - longest)),
        ..state
    }
}

fn troubled(since: SystemTime, reason: &Reason) -> State {
    let (kind, words) = match reason.kind {
        ReasonKind::NeedsSignIn => ("sign-in-needed", "sign in needed"),
        ReasonKind::BlockedByPolicy => ("blocked", "blocked"),
        ReasonKind::AdminMustFix => ("admin-must-fix", "an admin must act"),
        ReasonKind::TryLater => ("trying-later", "trying again"),
    };
    State {
        kind: kind.to_owned(),
        words: format!("{words}: {}", reason.to_string().trim_end_matches('.')),
        code: reason.code,
        trace: reason.trace.clone(),
        since: Some(millis(since)),
    }
}

/// Epoch milliseconds.
pub(in crate::control) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}
