//! Use cases of mailboxes: add, list, show, remove, test.
//!
//! Signing in is [`sign_in`](super::sign_in)'s.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portreeve_auth::{
    Audience, Binding, Device, Grant, GrantFor, GrantId, Health, Mailbox, MinLife, NewGrant,
    Protocol, Provider, Reason, ReasonKind,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Asker, Control, Failure, address,
    sign_in::{self, SignInView, Stage},
};

/// What a message needs; more would only make the test slower.
const TEST_LIFE: MinLife = MinLife::AtLeast(Duration::from_mins(10));

/// Adds a mailbox and begins its sign-in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Add {
    /// Its e-mail address.
    pub(crate) address: String,
    /// The provider's name; the default one if none is given.
    pub(crate) provider: Option<String>,
    /// The tenant, where it is not the provider's.
    pub(crate) tenant: Option<String>,
    /// The client id, where it is not the provider's.
    pub(crate) client_id: Option<String>,
    /// Who signs in, where it is not the mailbox's own account.
    pub(crate) signed_in_as: Option<String>,
}

/// A mailbox was added.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Added {
    /// The mailbox.
    pub(crate) mailbox: MailboxView,
    /// Its sign-in; done at once where another mailbox has it already.
    pub(crate) sign_in: SignInView,
}

/// Asks for all mailboxes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct List {}

/// Asks for one mailbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Show {
    /// Its address.
    pub(crate) mailbox: String,
}

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
    /// When the token at hand ends and is renewed at the latest, in epoch milliseconds.
    pub(crate) token_renews_at: Option<i64>,
    /// The names of the devices that may use it.
    pub(crate) devices: Vec<String>,
    /// When it was added, in epoch milliseconds.
    pub(crate) created_at: i64,
}

/// How a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// For programs: `works`, `unsaved`, `waiting`, `sign-in-needed`, `blocked`, `admin-must-fix`
    /// or `trying-later`.
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

/// Removes a mailbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remove {
    /// Its address.
    pub(crate) mailbox: String,
}

/// A mailbox was removed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// The mailbox as it was.
    pub(crate) mailbox: MailboxView,
    /// Whether its sign-in is kept, because other mailboxes use it.
    pub(crate) sign_in_kept: bool,
    /// Devices that have no mailbox any more.
    pub(crate) devices_without_mailbox: Vec<String>,
}

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

/// Adds a mailbox and begins its sign-in; with a working sign-in of the same account, shares it.
pub(crate) async fn add(control: &Control, add: Add, asker: &Asker) -> Result<Added, Failure> {
    let address = address::mailbox(&add.address)?;
    if let Some(there) = control.store.mailbox_by_address(&address).await? {
        return Err(Failure::request(format!(
            "{0} is there already; sign it in with `portreeve mailbox sign-in {0}`, or remove it \
             first to change its provider, tenant or account.",
            there.address
        )));
    }
    let expected = match &add.signed_in_as {
        Some(account) => address::mailbox(account)?,
        None => address.clone(),
    };
    let grants = control.store.grants().await?;
    let new = new_grant(control, &add, &expected, &grants)?;
    let any_client = add.tenant.is_none() && add.client_id.is_none();
    let shared = grants
        .iter()
        .find(|grant| serves(grant, &new, any_client))
        .cloned();
    let grant = match &shared {
        Some(grant) => GrantFor::Shared(grant.id.clone()),
        None => GrantFor::New(new.clone()),
    };
    let mailbox = control.gate.add_mailbox(&address, &grant).await?;
    let begun = match shared {
        Some(grant) if grant.signed_in => share(control, &mailbox, &grant).await,
        _ => sign_in::start(control, &mailbox, &expected).await,
    };
    let sign_in = match begun {
        Ok(sign_in) => sign_in,
        Err(failure) => {
            // Nothing was begun, so nothing shall stay: the same command can be typed again.
            control.gate.remove_mailbox(&mailbox.id).await?;
            return Err(failure);
        }
    };
    let detail = json!({
        "provider": new.provider, "tenant": new.tenant, "client_id": new.client_id,
        "signs_in_as": expected, "shared": matches!(grant, GrantFor::Shared(_)),
    });
    control
        .audit(asker, "mailbox.add", &mailbox.address, &detail)
        .await?;
    let mailbox = view(control, &mailbox).await?;
    Ok(Added { mailbox, sign_in })
}

/// All mailboxes, by address.
pub(crate) async fn list(
    control: &Control,
    _: List,
    _: &Asker,
) -> Result<Vec<MailboxView>, Failure> {
    views(control).await
}

/// One mailbox.
pub(crate) async fn show(control: &Control, show: Show, _: &Asker) -> Result<MailboxView, Failure> {
    let mailbox = find(control, &show.mailbox).await?;
    view(control, &mailbox).await
}

/// Removes a mailbox; its devices stay, and are refused there.
pub(crate) async fn remove(
    control: &Control,
    remove: Remove,
    asker: &Asker,
) -> Result<Removed, Failure> {
    let mailbox = find(control, &remove.mailbox).await?;
    let before = view(control, &mailbox).await?;
    let removed = control.gate.remove_mailbox(&mailbox.id).await?;
    let bound = control.store.bindings().await?;
    let devices = control.store.devices().await?;
    let devices_without_mailbox = devices
        .iter()
        .filter(|device| before.devices.contains(&device.name))
        .filter(|device| bound.iter().all(|binding| binding.device != device.id))
        .map(|device| device.name.clone())
        .collect();
    let detail = json!({ "before": {
        "provider": before.provider, "signs_in_as": before.signs_in_as, "devices": before.devices,
    }, "sign_in_forgotten": removed.grant_removed });
    control
        .audit(asker, "mailbox.remove", &mailbox.address, &detail)
        .await?;
    Ok(Removed {
        mailbox: before,
        sign_in_kept: !removed.grant_removed,
        devices_without_mailbox,
    })
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

/// The mailbox with this address.
pub(super) async fn find(control: &Control, address: &str) -> Result<Mailbox, Failure> {
    let address = address.trim();
    if let Some(mailbox) = control.store.mailbox_by_address(address).await? {
        return Ok(mailbox);
    }
    let known: Vec<String> = control
        .store
        .mailboxes()
        .await?
        .into_iter()
        .map(|mailbox| mailbox.address)
        .collect();
    let advice = match super::nearest(address, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "add it with `portreeve mailbox add`.".to_owned(),
        None => "`portreeve mailbox list` shows those that are there.".to_owned(),
    };
    Err(Failure::request(format!(
        "There is no mailbox `{}`; {advice}",
        address.escape_debug()
    )))
}

/// All mailboxes as people see them.
pub(super) async fn views(control: &Control) -> Result<Vec<MailboxView>, Failure> {
    let looked = Looked::at(control).await?;
    let mailboxes = looked.mailboxes.iter();
    Ok(mailboxes
        .filter_map(|mailbox| looked.view(control, mailbox))
        .collect())
}

async fn view(control: &Control, mailbox: &Mailbox) -> Result<MailboxView, Failure> {
    let looked = Looked::at(control).await?;
    looked.view(control, mailbox).ok_or_else(|| {
        Failure::request(format!("{} was removed in the meantime.", mailbox.address))
    })
}

/// What views are made from, read once.
struct Looked {
    mailboxes: Vec<Mailbox>,
    grants: BTreeMap<GrantId, Grant>,
    devices: Vec<Device>,
    bindings: Vec<Binding>,
    sign_ins: BTreeMap<GrantId, SignInView>,
}

impl Looked {
    async fn at(control: &Control) -> Result<Self, Failure> {
        let grants = control.store.grants().await?;
        let grants: BTreeMap<_, _> = grants.into_iter().map(|g| (g.id.clone(), g)).collect();
        let mailboxes = control.store.mailboxes().await?;
        Ok(Self {
            sign_ins: sign_in::pending(control, &mailboxes, &grants).await?,
            devices: control.store.devices().await?,
            bindings: control.store.bindings().await?,
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
        let token_renews_at = match &health {
            Health::Works { expires_at } => expires_at.map(millis),
            _ => None,
        };
        let bound = |device: &&Device| {
            let here =
                |binding: &Binding| binding.device == device.id && binding.mailbox == mailbox.id;
            self.bindings.iter().any(here)
        };
        let shares = |other: &&Mailbox| other.grant == mailbox.grant && other.id != mailbox.id;
        Some(MailboxView {
            address: mailbox.address.clone(),
            state: state(&health, sign_in.as_ref(), grant),
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
            token_renews_at,
            devices: self
                .devices
                .iter()
                .filter(bound)
                .map(|d| d.name.clone())
                .collect(),
            created_at: mailbox.created_at,
        })
    }
}

/// A state in words: green, amber and red of the later page.
fn state(health: &Health, sign_in: Option<&SignInView>, grant: &Grant) -> State {
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

/// What a grant of its own would be, with what other mailboxes of the provider already told us.
fn new_grant(
    control: &Control,
    add: &Add,
    expected: &str,
    grants: &[Grant],
) -> Result<NewGrant, Failure> {
    let config = control.config();
    let name = add.provider.as_ref().unwrap_or(&config.default_provider);
    let Some(provider) = config.providers.get(name) else {
        let known: Vec<&str> = config.providers.0.keys().map(String::as_str).collect();
        return Err(Failure::request(format!(
            "There is no provider `{}`; known are {}, and those of the configuration's \
             [provider.NAME].",
            name.escape_debug(),
            known.join(", ")
        )));
    };
    let own = |given: &Option<String>, providers: Option<&str>| {
        given
            .clone()
            .filter(|given| Some(given.as_str()) != providers)
    };
    let mut new = NewGrant {
        provider: name.clone(),
        tenant: own(&add.tenant, provider.tenant.as_deref()),
        client_id: own(&add.client_id, provider.client_id.as_deref()),
        expected_account: expected.to_owned(),
    };
    for given in [&new.tenant, &new.client_id].into_iter().flatten() {
        if given.is_empty()
            || !given
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._@:".contains(&b))
        {
            return Err(Failure::request(format!(
                "`{}` is neither an id nor a domain; copy it from the app registration's overview.",
                given.escape_debug()
            )));
        }
    }
    if provider.client_id.is_some() && new.client_id.is_none() {
        return Ok(new);
    }
    // Typed once, for the first mailbox of this provider; the newest is what the admin means.
    let remembered = grants.iter().rev().find(|grant| {
        let same = new.client_id.is_none() || grant.client_id == new.client_id;
        grant.provider == *name && grant.client_id.is_some() && same
    });
    if let Some(remembered) = remembered {
        new.client_id.clone_from(&remembered.client_id);
        if add.tenant.is_none() {
            new.tenant.clone_from(&remembered.tenant);
        }
    }
    if new.client_id.is_none() {
        return Err(no_client_id(name, provider, add));
    }
    Ok(new)
}

/// Whether this sign-in, made or expected, opens what the new one would; by any client if the
/// admin named none.
fn serves(grant: &Grant, new: &NewGrant, any_client: bool) -> bool {
    let account = grant.account.as_ref().unwrap_or(&grant.expected_account);
    let same_client = grant.tenant == new.tenant && grant.client_id == new.client_id;
    account.eq_ignore_ascii_case(&new.expected_account)
        && grant.provider == new.provider
        && (any_client || same_client)
}

/// Proves that a sign-in of another mailbox opens this one too.
async fn share(control: &Control, mailbox: &Mailbox, grant: &Grant) -> Result<SignInView, Failure> {
    let account = grant
        .account
        .clone()
        .unwrap_or_else(|| grant.expected_account.clone());
    let view = |stage| SignInView {
        mailbox: mailbox.address.clone(),
        expected: account.clone(),
        stage,
    };
    match control
        .broker
        .token(mailbox, Audience::Mail, TEST_LIFE)
        .await
    {
        Ok(_) => {}
        Err(reason) if reason.kind == ReasonKind::NeedsSignIn => {
            return sign_in::start(control, mailbox, &account).await;
        }
        Err(reason) => return Err(sign_in::refused(&mailbox.address, &reason)),
    }
    let mut refusals = Vec::new();
    for protocol in [Protocol::Imap, Protocol::Smtp, Protocol::Pop3] {
        match tested(control, mailbox, protocol).await {
            seen if seen.works => {
                return Ok(view(Stage::Done {
                    account: account.clone(),
                    note: Some(format!(
                        "{account} was signed in already; no new code was needed."
                    )),
                }));
            }
            seen => refusals.push(format!("{}: {}", seen.protocol.to_uppercase(), seen.words)),
        }
    }
    Err(Failure::provider(format!(
        "{account} is signed in, but the exchange does not let it into {}. Give {account} full \
         access to the mailbox and wait for it to take effect, or sign in with another account. \
         What was said: {}.",
        mailbox.address,
        refusals.join("; ")
    )))
}

async fn tested(control: &Control, mailbox: &Mailbox, protocol: Protocol) -> TestedProtocol {
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

fn no_client_id(name: &str, provider: &Provider, add: &Add) -> Failure {
    let named = add
        .provider
        .as_ref()
        .map(|provider| format!(" --provider {provider}"));
    let again = format!(
        "portreeve mailbox add {}{}",
        add.address.trim(),
        named.unwrap_or_default()
    );
    if provider.kind != portreeve_auth::ProviderKind::Entra {
        return Failure::configuration(format!(
            "The provider {name} needs a client id: register an application there that may use \
             the device flow, and type\n  {again} --client-id ID"
        ));
    }
    Failure::configuration(format!(
        "The provider {name} needs the client id of an app registration in your tenant. Once, as \
         an admin:\n\
         \x20 1. https://entra.microsoft.com > App registrations > New registration: any name, this \
         directory only. Copy the client ID and the tenant ID.\n\
         \x20 2. Its API permissions > Microsoft Graph > Delegated: IMAP.AccessAsUser.All, \
         POP.AccessAsUser.All, SMTP.Send, offline_access. Grant admin consent.\n\
         \x20 3. Its Authentication > Allow public client flows: Yes.\n\
         Then type\n  {again} --tenant TENANT --client-id ID\n\
         Both are remembered for the next mailbox. docs/entra-app.md shows each step."
    ))
}

/// Epoch milliseconds.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
