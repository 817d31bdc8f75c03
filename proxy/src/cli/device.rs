//! `portreeve device …`: asks `control` and prints what it says.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    args::{DeviceAdd, DeviceCommand, DeviceName, DeviceNewPassword, Output},
    card,
    exit::{End, Outcome},
    link::Link,
    print, print_json,
    table::{facts, table},
    times::moment,
};
use crate::control::{
    Failure, Password,
    device::{
        Add, Added, DeviceView, Import, Imported, List, NewPassword, Remove, Secret, SetEnabled,
        Show,
    },
    password::MAX_PASSWORD,
};

/// The largest CSV file that is read; a row has some hundred bytes.
const MAX_CSV: u64 = 2 << 20;

/// Runs a command.
pub(super) async fn run(link: &Link, command: DeviceCommand) -> Outcome {
    match command {
        DeviceCommand::Add(args) => match &args.csv {
            Some(file) => import(link, file, &args.output).await,
            None => add(link, args).await,
        },
        DeviceCommand::List(output) => list(link, &output).await,
        DeviceCommand::Show(args) => {
            let show = Show {
                device: args.device,
            };
            let shown = link.call(show, |_| {}).await?;
            if args.output.json {
                return print_json(&shown);
            }
            print(&format!(
                "{}\n{}",
                about(&shown.device),
                card::text(&shown.card)
            ))
        }
        DeviceCommand::NewPassword(args) => new_password(link, args).await,
        DeviceCommand::Remove(name) => {
            let (request, output) = (
                Remove {
                    device: name.device,
                },
                name.output,
            );
            let gone = link.call(request, |_| {}).await?;
            said(
                &gone,
                &output,
                "is removed; its logins are refused from now on",
            )
        }
        DeviceCommand::Disable(name) => set_enabled(link, name, false).await,
        DeviceCommand::Enable(name) => set_enabled(link, name, true).await,
    }
}

async fn add(link: &Link, args: DeviceAdd) -> Outcome {
    let secret = match (args.no_password, args.password_stdin) {
        (true, _) => Secret::None,
        (_, true) => Secret::Keep(password_from_stdin()?),
        _ => Secret::Generate,
    };
    let add = Add {
        name: args.name.unwrap_or_default(),
        mailboxes: args.mailboxes,
        login: args.login,
        secret,
        networks: args.networks,
        protocols: args.protocols,
    };
    let added = link.call(add, |_| {}).await?;
    show_added(&added, &args.output)
}

async fn new_password(link: &Link, args: DeviceNewPassword) -> Outcome {
    let secret = if args.password_stdin {
        Secret::Keep(password_from_stdin()?)
    } else {
        Secret::Generate
    };
    let request = NewPassword {
        device: args.device,
        secret,
    };
    let added = link.call(request, |_| {}).await?;
    show_added(&added, &args.output)
}

async fn import(link: &Link, file: &Path, output: &Output) -> Outcome {
    let csv = Password::from(read_csv(file)?);
    let imported = link
        .call(Import { csv }, |_| {})
        .await
        .map_err(|failure| Failure {
            message: format!("{}: {}", file.display(), failure.message),
            ..failure
        })?;
    if output.json {
        return print_json(&imported);
    }
    print(&new_devices(&imported))
}

async fn list(link: &Link, output: &Output) -> Outcome {
    let devices = link.call(List {}, |_| {}).await?;
    if output.json {
        return print_json(&devices);
    }
    print(&listed(&devices))
}

async fn set_enabled(link: &Link, name: DeviceName, enabled: bool) -> Outcome {
    let (device, output) = (name.device, name.output);
    let device = link.call(SetEnabled { device, enabled }, |_| {}).await?;
    let words = if enabled {
        "is enabled: its logins are accepted again"
    } else {
        "is disabled: its logins are refused until `portreeve device enable`"
    };
    said(&device, &output, words)
}

fn said(device: &DeviceView, output: &Output, words: &str) -> Outcome {
    if output.json {
        return print_json(device);
    }
    print(&format!("{} ({}) {words}.\n", device.name, device.login))
}

fn show_added(added: &Added, output: &Output) -> Outcome {
    if output.json {
        return print_json(added);
    }
    let once = match added.card.password {
        Some(_) if added.generated => "\nThe password is shown this once only.\n",
        _ => "",
    };
    print(&format!(
        "{}\n{}{once}",
        about(&added.device),
        card::text(&added.card)
    ))
}

fn about(device: &DeviceView) -> String {
    let mut lines = vec![
        ("Device", device.name.clone()),
        ("Mailbox", device.mailboxes.join(", ")),
    ];
    if device.mailboxes.is_empty() {
        "none: its logins are refused".clone_into(&mut lines[1].1);
    }
    if !device.networks.is_empty() {
        lines.push(("Only from", device.networks.join(", ")));
    }
    if !device.protocols.is_empty() {
        lines.push(("Only by", device.protocols.join(", ").to_uppercase()));
    }
    if !device.enabled {
        lines.push(("State", "disabled".to_owned()));
    }
    facts(&lines)
}

fn listed(devices: &[DeviceView]) -> String {
    if devices.is_empty() {
        return "There is no device yet; `portreeve device add NAME --mailbox ADDRESS` adds one.\n"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    table(
        &[
            "DEVICE",
            "USER NAME",
            "MAILBOX",
            "PASSWORD",
            "FROM",
            "BY",
            "STATE",
            "ADDED",
        ],
        &rows,
    )
}

fn row(device: &DeviceView) -> Vec<String> {
    let or = |list: &[String], other: &str| {
        if list.is_empty() {
            other.to_owned()
        } else {
            list.join(", ")
        }
    };
    vec![
        device.name.clone(),
        device.login.clone(),
        or(&device.mailboxes, "none"),
        device.password.clone(),
        or(&device.networks, "everywhere"),
        or(&device.protocols, "all"),
        if device.enabled {
            "enabled"
        } else {
            "disabled"
        }
        .to_owned(),
        moment(device.created_at),
    ]
}

fn new_devices(imported: &[Imported]) -> String {
    let rows: Vec<Vec<String>> = imported
        .iter()
        .map(|one| {
            vec![
                one.device.name.clone(),
                one.device.login.clone(),
                one.password
                    .as_ref()
                    .map_or_else(|| "as given".to_owned(), |p| p.expose().to_owned()),
                one.device.mailboxes.join(", "),
            ]
        })
        .collect();
    let mut text = table(&["DEVICE", "USER NAME", "PASSWORD", "MAILBOX"], &rows);
    if imported.iter().any(|one| one.password.is_some()) {
        text.push_str("\nPasswords that were made are shown this once only.\n");
    }
    text.push_str("`portreeve device show USERNAME` prints a settings card.\n");
    text
}

/// The first line of the standard input, without its end.
fn password_from_stdin() -> Result<Password, End> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprint!("Password (shown as you type): ");
    }
    let mut line = Zeroizing::new(String::with_capacity(MAX_PASSWORD + 2));
    // One more than the longest, and an end of line, so that too long is seen and not cut.
    stdin
        .lock()
        .take(MAX_PASSWORD as u64 + 3)
        .read_line(&mut line)
        .map_err(|error| {
            Failure::request(format!(
                "The password cannot be read from the standard input: {error}."
            ))
        })?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    Ok(Password::from(SecretString::from(password)))
}

fn read_csv(file: &Path) -> Result<SecretString, Failure> {
    let cannot =
        |error: io::Error| Failure::request(format!("{} cannot be read: {error}.", file.display()));
    let mut text = Zeroizing::new(String::new());
    let open = std::fs::File::open(file).map_err(cannot)?;
    open.take(MAX_CSV + 1)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Failure::request(format!(
                "{} is not UTF-8 text; save it as \"CSV UTF-8\".",
                file.display()
            )),
            _ => cannot(error),
        })?;
    if text.len() as u64 > MAX_CSV {
        return Err(Failure::request(format!(
            "{} is larger than {} MB; split it.",
            file.display(),
            MAX_CSV >> 20
        )));
    }
    Ok(SecretString::from(std::mem::take(&mut *text)))
}

#[cfg(test)]
mod tests;
