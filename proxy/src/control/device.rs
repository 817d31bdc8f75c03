//! Use cases of devices: add, import, list, show, new password, remove, enable and disable.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portreeve_auth::{Device, DeviceId, MailboxId, NewPassword as ForGate, WantedDevice};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Asker, Control, Failure, Password, address,
    card::{Card, Site},
    csv, gateway, nearest,
    password::MAX_PASSWORD,
    slug::{numbered, slug},
};
use crate::door::certificates::own_addresses;

/// Wrong lines of a CSV file that are named; more only hide the first ones.
const MAX_WRONG_LINES: usize = 20;

/// Adds a device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Add {
    /// What people call it.
    pub(crate) name: String,
    /// The addresses of its mailboxes; the first is its default.
    pub(crate) mailboxes: Vec<String>,
    /// Its user name; made from the name if none is given.
    pub(crate) login: Option<String>,
    /// How it proves who it is.
    pub(crate) secret: Secret,
    /// Networks it may come from; empty: everywhere.
    pub(crate) networks: Vec<String>,
    /// Protocols it may use; empty: all.
    pub(crate) protocols: Vec<String>,
}

/// How a device proves who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Secret {
    /// By a password that is made now.
    Generate,
    /// By this password.
    Keep(Password),
    /// By the network it comes from.
    None,
}

/// Adds all devices of a CSV file, or none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    /// The file's text; passwords are in it.
    pub(crate) csv: Password,
}

/// A device of a CSV file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Imported {
    /// The device.
    pub(crate) device: DeviceView,
    /// The password, where it was made now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Password>,
}

/// Asks for all devices.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct List {}

/// Asks for one device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Show {
    /// Its name or user name.
    pub(crate) device: String,
}

/// Gives a device a new password.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewPassword {
    /// Its name or user name.
    pub(crate) device: String,
    /// The new one.
    pub(crate) secret: Secret,
}

/// Removes a device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remove {
    /// Its name or user name.
    pub(crate) device: String,
}

/// Enables or disables a device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SetEnabled {
    /// Its name or user name.
    pub(crate) device: String,
    /// Whether it may log in.
    pub(crate) enabled: bool,
}

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

/// A device that was added, or got a new password.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Added {
    /// The device.
    pub(crate) device: DeviceView,
    /// Whether the card's password was made now.
    pub(crate) generated: bool,
    /// What to type into it.
    pub(crate) card: Card,
}

/// A device and what to type into it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The device.
    pub(crate) device: DeviceView,
    /// Its settings, without the password.
    pub(crate) card: Card,
}

/// Adds a device.
pub(crate) async fn add(control: &Control, add: Add, asker: &Asker) -> Result<Added, Failure> {
    let mut site = Wishes::new(control).await?;
    let wish = site.wish(add)?;
    let (device, made) = grant(control, wish, asker).await?;
    added(control, device, made).await
}

/// Adds all devices of a CSV file; all its lines are checked before the first device is added.
pub(crate) async fn import(
    control: &Control,
    import: Import,
    asker: &Asker,
) -> Result<Vec<Imported>, Failure> {
    let rows = csv::parse(import.csv.expose()).map_err(|wrongs| refused(&wrongs))?;
    let mut site = Wishes::new(control).await?;
    let (mut wishes, mut wrongs) = (Vec::new(), Vec::new());
    for row in rows {
        let line = row.line;
        let add = Add {
            name: row.name,
            mailboxes: row.mailboxes,
            login: row.login,
            secret: row
                .password
                .map_or(Secret::Generate, |password| Secret::Keep(password.into())),
            networks: row.networks,
            protocols: row.protocols,
        };
        match site.wish(add) {
            Ok(wish) => wishes.push(wish),
            Err(failure) => wrongs.push(csv::Wrong {
                line,
                what: failure.message,
            }),
        }
    }
    if !wrongs.is_empty() {
        return Err(refused(&wrongs));
    }
    let mut imported = Vec::new();
    for wish in wishes {
        let (device, password) = grant(control, wish, asker).await?;
        imported.push((device, password));
    }
    let views: BTreeMap<_, _> = views(control).await?.into_iter().collect();
    let with_view = imported.into_iter().filter_map(|(device, password)| {
        Some(Imported {
            device: views.get(&device)?.clone(),
            password,
        })
    });
    Ok(with_view.collect())
}

/// All devices, by user name.
pub(crate) async fn list(
    control: &Control,
    _: List,
    _: &Asker,
) -> Result<Vec<DeviceView>, Failure> {
    Ok(views(control)
        .await?
        .into_iter()
        .map(|(_, view)| view)
        .collect())
}

/// One device and its card.
pub(crate) async fn show(control: &Control, show: Show, _: &Asker) -> Result<Shown, Failure> {
    let (_, device) = find(control, &show.device).await?;
    let card = card(control, &device, None);
    Ok(Shown { device, card })
}

/// Gives a device a new password; the old one stops working.
pub(crate) async fn new_password(
    control: &Control,
    request: NewPassword,
    asker: &Asker,
) -> Result<Added, Failure> {
    let (id, before) = find(control, &request.device).await?;
    let wanted = checked(request.secret)?;
    let made = control.gate.set_password(&id, wanted).await?;
    let detail = json!({ "before": { "password": before.password }, "after": {
        "password": if made.is_some() { "generated" } else { "chosen" } } });
    control
        .audit(asker, "device.new-password", &before.login, &detail)
        .await?;
    added(control, id, made.map(Password::from)).await
}

/// Removes a device.
pub(crate) async fn remove(
    control: &Control,
    remove: Remove,
    asker: &Asker,
) -> Result<DeviceView, Failure> {
    let (id, device) = find(control, &remove.device).await?;
    control.gate.remove_device(&id).await?;
    control
        .audit(
            asker,
            "device.remove",
            &device.login,
            &json!({ "before": device }),
        )
        .await?;
    Ok(device)
}

/// Enables or disables a device.
pub(crate) async fn set_enabled(
    control: &Control,
    request: SetEnabled,
    asker: &Asker,
) -> Result<DeviceView, Failure> {
    let (id, before) = find(control, &request.device).await?;
    control.gate.set_enabled(&id, request.enabled).await?;
    let action = if request.enabled {
        "device.enable"
    } else {
        "device.disable"
    };
    let detail = json!({ "before": { "enabled": before.enabled } });
    control.audit(asker, action, &before.login, &detail).await?;
    Ok(DeviceView {
        enabled: request.enabled,
        ..before
    })
}

/// A device that can be added as it is.
struct Wish {
    wanted: WantedDevice,
    detail: serde_json::Value,
}

/// What wishes are checked against; grows with each, so that a file cannot name a user twice.
struct Wishes {
    mailboxes: BTreeMap<String, (MailboxId, String)>,
    logins: BTreeSet<String>,
}

impl Wishes {
    async fn new(control: &Control) -> Result<Self, Failure> {
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

    fn wish(&mut self, add: Add) -> Result<Wish, Failure> {
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

/// Adds what was checked.
async fn grant(
    control: &Control,
    wish: Wish,
    asker: &Asker,
) -> Result<(DeviceId, Option<Password>), Failure> {
    let (device, made) = control.gate.add_device(wish.wanted).await?;
    control
        .audit(asker, "device.add", &device.login, &wish.detail)
        .await?;
    Ok((device.id.clone(), made.map(Password::from)))
}

async fn added(control: &Control, id: DeviceId, made: Option<Password>) -> Result<Added, Failure> {
    let gone = || Failure::request("The device was removed in the meantime.");
    let device = views(control)
        .await?
        .into_iter()
        .find(|(other, _)| *other == id);
    let (_, device) = device.ok_or_else(gone)?;
    Ok(Added {
        generated: made.is_some(),
        card: card(control, &device, made),
        device,
    })
}

/// The device with this user name, or the only one with this name.
async fn find(control: &Control, wanted: &str) -> Result<(DeviceId, DeviceView), Failure> {
    let key = wanted.trim().to_lowercase();
    let mut devices = views(control).await?;
    if let Some(index) = devices
        .iter()
        .position(|(_, d)| d.login.to_lowercase() == key)
    {
        return Ok(devices.swap_remove(index));
    }
    let named: Vec<usize> = (0..devices.len())
        .filter(|index| devices[*index].1.name.to_lowercase() == key)
        .collect();
    match named[..] {
        [index] => Ok(devices.swap_remove(index)),
        [] => {
            let known = devices
                .iter()
                .flat_map(|(_, d)| [d.login.as_str(), d.name.as_str()]);
            let advice = match nearest(&key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`portreeve device list` shows those that are there.".to_owned(),
            };
            Err(Failure::request(format!(
                "There is no device `{}`; {advice}",
                wanted.escape_debug()
            )))
        }
        _ => {
            let logins: Vec<&str> = named
                .iter()
                .map(|at| devices[*at].1.login.as_str())
                .collect();
            Err(Failure::request(format!(
                "{} devices are called `{}`; say which by its user name: {}.",
                logins.len(),
                wanted.escape_debug(),
                logins.join(", ")
            )))
        }
    }
}

async fn views(control: &Control) -> Result<Vec<(DeviceId, DeviceView)>, Failure> {
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

fn card(control: &Control, device: &DeviceView, password: Option<Password>) -> Card {
    let config = control.config();
    let site = Site {
        hostname: &config.hostname,
        listeners: &control.listeners(),
        own_addresses: own_addresses(),
        running: control.running.is_some(),
        own_authority: config.tls.own.is_none(),
    };
    let user = (device.password != "none").then(|| device.login.clone());
    site.card(user, password, &address::allowed(&device.protocols))
}

/// A password that a device can have and a protocol can carry.
fn checked(secret: Secret) -> Result<ForGate, Failure> {
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

fn refused(wrongs: &[csv::Wrong]) -> Failure {
    let mut lines: Vec<String> = wrongs
        .iter()
        .take(MAX_WRONG_LINES)
        .map(ToString::to_string)
        .collect();
    if wrongs.len() > MAX_WRONG_LINES {
        lines.push(format!("and {} more", wrongs.len() - MAX_WRONG_LINES));
    }
    Failure::request(format!("No device was added:\n  {}", lines.join("\n  ")))
}

#[cfg(test)]
mod tests;
