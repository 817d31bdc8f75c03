//! Use cases of mailboxes: add, list, show, remove; and test, in a file of its own.
//!
//! Signing in is [`sign_in`](super::sign_in)'s.

mod join;
pub(crate) mod trial;
pub(crate) mod view;

use portreeve_auth::{GrantFor, Mailbox};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::view::view;
pub(super) use self::view::{millis, views};
pub(crate) use self::{
    trial::{Test, Tested, test},
    view::MailboxView,
};
use super::{
    Asker, Control, Failure, address,
    sign_in::{self, SignInView},
};

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
    let new = join::new_grant(control, &add, &expected, &grants)?;
    let any_client = add.tenant.is_none() && add.client_id.is_none();
    let shared = grants
        .iter()
        .find(|grant| join::serves(grant, &new, any_client))
        .cloned();
    let grant = match &shared {
        Some(grant) => GrantFor::Shared(grant.id.clone()),
        None => GrantFor::New(new.clone()),
    };
    let mailbox = control.gate.add_mailbox(&address, &grant).await?;
    let begun = match shared {
        Some(grant) if grant.signed_in => join::share(control, &mailbox, &grant).await,
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
    if removed.grant_removed {
        control.broker.forget(&mailbox.grant);
    }
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

#[cfg(test)]
mod tests;
