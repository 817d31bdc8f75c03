//! How a new mailbox gets a sign-in: one of its own, or that of an account that has one already.

use portreeve_auth::{
    Audience, Grant, Mailbox, NewGrant, Protocol, Provider, ProviderKind, ReasonKind,
};

use super::{
    Add,
    trial::{TEST_LIFE, tested},
};
use crate::control::{
    Control, Failure,
    sign_in::{self, SignInView, Stage},
};

/// What a grant of its own would be, with what other mailboxes of the provider already told us.
pub(super) fn new_grant(
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
pub(super) fn serves(grant: &Grant, new: &NewGrant, any_client: bool) -> bool {
    let account = grant.account.as_ref().unwrap_or(&grant.expected_account);
    let same_client = grant.tenant == new.tenant && grant.client_id == new.client_id;
    account.eq_ignore_ascii_case(&new.expected_account)
        && grant.provider == new.provider
        && (any_client || same_client)
}

/// Proves that a sign-in of another mailbox opens this one too.
pub(super) async fn share(
    control: &Control,
    mailbox: &Mailbox,
    grant: &Grant,
) -> Result<SignInView, Failure> {
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
    if provider.kind != ProviderKind::Entra {
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
