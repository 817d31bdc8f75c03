//! A device as people see it.

use std::collections::BTreeMap;

use portreeve_auth::{Device, DeviceId, MailboxId};
use serde::{Deserialize, Serialize};

use crate::control::{Control, Failure};

/// A device as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceView {
    /// What people call it.
    pub(crate) name: String,
    /// Its user name.
    pub(crate) login: String,
    /// The kind of its password: `generated`, `chosen` or `none`.
    pub(crate) password: String,
    /// Its mailboxes; the first is its default.
    pub(crate) mailboxes: Vec<String>,
    /// Networks it may come from; empty: everywhere.
    pub(crate) networks: Vec<String>,
    /// Protocols it may use; empty: all.
    pub(crate) protocols: Vec<String>,
    /// Whether it may log in.
    pub(crate) enabled: bool,
    /// When it was added, in epoch milliseconds.
    pub(crate) created_at: i64,
}

/// All devices, by user name.
pub(super) async fn views(control: &Control) -> Result<Vec<(DeviceId, DeviceView)>, Failure> {
    let mailboxes: BTreeMap<MailboxId, String> = control
        .store
        .mailboxes()
        .await?
        .into_iter()
        .map(|mailbox| (mailbox.id, mailbox.address))
        .collect();
    let mut bound: BTreeMap<DeviceId, Vec<String>> = BTreeMap::new();
    for binding in control.store.bindings().await? {
        if let Some(address) = mailboxes.get(&binding.mailbox) {
            bound
                .entry(binding.device)
                .or_default()
                .push(address.clone());
        }
    }
    let view = |device: Device| {
        let view = DeviceView {
            password: kind(&device).to_owned(),
            mailboxes: bound.remove(&device.id).unwrap_or_default(),
            name: device.name,
            login: device.login,
            networks: device.networks,
            protocols: device.protocols,
            enabled: device.enabled,
            created_at: device.created_at,
        };
        (device.id, view)
    };
    Ok(control
        .store
        .devices()
        .await?
        .into_iter()
        .map(view)
        .collect())
}

fn kind(device: &Device) -> &'static str {
    match device.password {
        portreeve_auth::Password::None => "none",
        portreeve_auth::Password::Generated(_) => "generated",
        portreeve_auth::Password::Chosen(_) => "chosen",
    }
}
