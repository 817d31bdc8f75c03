//! What a new device shall be, checked as a whole before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portreeve_auth::{MailboxId, NewPassword as ForGate, WantedDevice};
use secrecy::SecretString;
use serde_json::json;

use super::{Add, Secret};
use crate::control::{
    Control, Failure, address, gateway, nearest,
    password::MAX_PASSWORD,
    slug::{numbered, slug},
};

/// A device that can be added as it is.
pub(super) struct Wish {
    pub(super) wanted: WantedDevice,
    /// For the audit trail; without secrets.
    pub(super) detail: serde_json::Value,
}

/// What wishes are checked against; grows with each, so that a file cannot name a user twice.
pub(super) struct Wishes {
    mailboxes: BTreeMap<String, (MailboxId, String)>,
    logins: BTreeSet<String>,
}

impl Wishes {
    /// Against what is there now.
    pub(super) async fn new(control: &Control) -> Result<Self, Failure> {
        let mailboxes = control.store.mailboxes().await?.into_iter();
        let devices = control.store.devices().await?;
        Ok(Self {
            mailboxes: mailboxes
                .map(|mailbox| {
                    (
                        mailbox.address.to_lowercase(),
                        (mailbox.id, mailbox.address),
                    )
                })
                .collect(),
            logins: devices
                .iter()
                .map(|device| device.login.to_lowercase())
                .collect(),
        })
    }

    /// Checks one wish.
    pub(super) fn wish(&mut self, add: Add) -> Result<Wish, Failure> {
        let name = address::name(&add.name)?;
        let networks: Vec<IpNet> = address::networks(&add.networks)?;
        if matches!(add.secret, Secret::None) {
            address::identifying(&networks, &gateway::gateways())?;
        }
        let protocols = address::protocols(&add.protocols)?;
        let mailboxes = self.mailboxes(&add.mailboxes)?;
        let password = checked(add.secret)?;
        let login = match &add.login {
            Some(login) => self.given_login(login)?,
            None => self.free_login(&name),
        };
        self.logins.insert(login.to_lowercase());
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        let detail = json!({ "after": {
            "name": name, "networks": networks, "protocols": protocols,
            "mailboxes": mailboxes.iter().map(|(_, address)| address).collect::<Vec<_>>(),
            "password": match &password {
                ForGate::Generate => "generated",
                ForGate::Chosen(_) => "chosen",
                ForGate::None => "none",
            },
        }});
        let wanted = WantedDevice {
            name,
            login,
            password,
            networks,
            protocols: protocols
                .iter()
                .filter_map(|word| word.parse().ok())
                .collect(),
            mailboxes: mailboxes.into_iter().map(|(id, _)| id).collect(),
        };
        Ok(Wish { wanted, detail })
    }

    fn mailboxes(&self, addresses: &[String]) -> Result<Vec<(MailboxId, String)>, Failure> {
        let mut mailboxes: Vec<(MailboxId, String)> = Vec::new();
        for address in addresses {
            let key = address.trim().to_lowercase();
            let Some((id, address)) = self.mailboxes.get(&key) else {
                let known = self.mailboxes.values().map(|(_, address)| address.as_str());
                let advice = match nearest(&key, known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "add it first with `portreeve mailbox add`.".to_owned(),
                };
                return Err(Failure::request(format!(
                    "There is no mailbox `{}`; {advice}",
                    address.escape_debug()
                )));
            };
            if mailboxes.iter().all(|(there, _)| there != id) {
                mailboxes.push((id.clone(), address.clone()));
            }
        }
        if mailboxes.is_empty() {
            return Err(Failure::request("A device needs at least one mailbox."));
        }
        Ok(mailboxes)
    }

    fn given_login(&self, login: &str) -> Result<String, Failure> {
        let login = address::login(login)?;
        if self.logins.contains(&login.to_lowercase()) {
            return Err(Failure::request(format!(
                "The user name {login} is taken; choose another one, or bind several mailboxes to \
                 that device."
            )));
        }
        Ok(login)
    }

    fn free_login(&self, name: &str) -> String {
        let slug = slug(name);
        let mut count = 1;
        loop {
            let login = numbered(&slug, count);
            if !self.logins.contains(&login) {
                return login;
            }
            count += 1;
        }
    }
}

/// A password that a device can have and a protocol can carry.
pub(super) fn checked(secret: Secret) -> Result<ForGate, Failure> {
    let password = match secret {
        Secret::Generate => return Ok(ForGate::Generate),
        Secret::None => return Ok(ForGate::None),
        Secret::Keep(password) => password,
    };
    let text = password.expose();
    let wrong = if text.is_empty() {
        "is empty"
    } else if text.len() > MAX_PASSWORD {
        "is longer than 256 bytes"
    } else if text.chars().any(char::is_control) {
        "holds a control character, which not every mail protocol can carry"
    } else {
        return Ok(ForGate::Chosen(SecretString::from(text)));
    };
    Err(Failure::request(format!("The password {wrong}.")))
}
