//! Use cases of devices: add, import, list, show, new password, remove, enable and disable.

mod view;
mod wish;

use std::collections::BTreeMap;

use portreeve_auth::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) use self::view::DeviceView;
use self::{
    view::views,
    wish::{Wish, Wishes, checked},
};
use super::{
    Asker, Control, Failure, Password, address,
    card::{Card, Site},
    csv, nearest,
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
