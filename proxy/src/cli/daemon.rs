//! `portreeve check`, `reload`, `status` and `ca export`: commands about the daemon itself.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    args::{CaExport, Output},
    exit::{End, Outcome},
    link::Link,
    print, print_json,
    table::{facts, table},
    times::span,
};
use crate::{
    config::{Config, Finding, Overrides, Severity, check::check as look_at},
    control::{
        Failure,
        ca::{self, Export},
        reload::Reload,
        status::{Get, Status},
    },
};

/// Validates a configuration and what it names.
pub(super) fn check(file: Option<&Path>, overrides: &Overrides) -> Outcome {
    let findings = look_at(file, overrides);
    print(&found(file, &findings))?;
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(End::Said);
    }
    Ok(())
}

/// Lets the daemon read its configuration again.
pub(super) async fn reload(config: Config) -> Outcome {
    let link = Link::running(&config.state_dir).await?;
    let reloaded = link.call(Reload {}, |_| {}).await?;
    let mut text = "The daemon uses the new configuration.\n".to_owned();
    for note in &reloaded.notes {
        text.extend(["  ", note, "\n"]);
    }
    print(&text)
}

/// Shows how the daemon is.
pub(super) async fn status(config: Config, output: &Output) -> Outcome {
    let link = Link::running(&config.state_dir).await?;
    let status = link.call(Get {}, |_| {}).await?;
    if output.json {
        return print_json(&status);
    }
    print(&shown(&status))
}

/// Writes the certificate that devices import.
pub(super) async fn export(config: Config, args: CaExport) -> Outcome {
    // A file of its own: no store is needed where no daemon runs.
    let exported = match Link::running(&config.state_dir).await {
        Ok(link) => link.call(Export {}, |_| {}).await?,
        Err(_) => ca::exported(&config)?,
    };
    if let Some(remark) = &exported.remark {
        eprintln!("{remark}");
    }
    let content = if args.der {
        der(&exported.pem)?
    } else {
        exported.pem.into_bytes()
    };
    let Some(file) = &args.out else {
        let mut out = io::stdout().lock();
        if args.der && out.is_terminal() {
            return Err(End::Usage(
                "DER is not for a terminal; name a file with --out.".to_owned(),
            ));
        }
        out.write_all(&content)?;
        return Ok(out.flush()?);
    };
    let write = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(file)?
            .write_all(&content)
    };
    write().map_err(|error| {
        Failure::request(format!("{} cannot be written: {error}.", file.display()))
    })?;
    print(&format!("Written to {}.\n", file.display()))
}

fn found(file: Option<&Path>, findings: &[Finding]) -> String {
    let what = file.map_or(
        "The configuration (no file, all defaults)".to_owned(),
        |file| file.display().to_string(),
    );
    let errors = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    let verdict = match errors {
        0 => format!("{what} is good."),
        1 => format!("{what} has one error; the daemon would not start with it."),
        errors => format!("{what} has {errors} errors; the daemon would not start with it."),
    };
    let lines = findings
        .iter()
        .map(|finding| format!("{}: {finding}", finding.severity));
    lines
        .chain([verdict, String::new()])
        .collect::<Vec<_>>()
        .join("\n")
}

fn shown(status: &Status) -> String {
    let mailboxes: usize = status.mailboxes.values().sum();
    let by_state: Vec<String> = status
        .mailboxes
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let config = status.config_file.as_ref();
    let mut text = facts(&[
        (
            "Portreeve",
            format!("{} (process {})", status.version, status.process),
        ),
        ("Running for", span(status.uptime_seconds)),
        ("Host name", status.hostname.clone()),
        (
            "Configuration",
            config.map_or("defaults, no file".to_owned(), |f| f.display().to_string()),
        ),
        ("State folder", status.state_dir.display().to_string()),
        (
            "Mailboxes",
            if mailboxes == 0 {
                "none".to_owned()
            } else {
                format!("{mailboxes}: {}", by_state.join(", "))
            },
        ),
        ("Devices", status.devices.to_string()),
        ("Connections", status.sessions.to_string()),
    ]);
    let rows: Vec<Vec<String>> = status
        .listeners
        .iter()
        .map(|bound| {
            vec![
                bound.name.clone(),
                bound.protocol.to_uppercase(),
                bound.tls.clone(),
                bound.address.to_string(),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&table(&["LISTENER", "PROTOCOL", "TLS", "ADDRESS"], &rows));
    text
}

/// The bytes between the first pair of PEM lines.
fn der(pem: &str) -> Result<Vec<u8>, Failure> {
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN "))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END "))
        .map(str::trim)
        .collect();
    match STANDARD.decode(body) {
        Ok(der) if !der.is_empty() => Ok(der),
        _ => Err(Failure::portreeve(
            "The certificate in the state folder is not valid PEM; restore it from a backup.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_to_der() {
        let pem =
            "text\n-----BEGIN CERTIFICATE-----\nAQID\nBA==\n-----END CERTIFICATE-----\nmore\n";
        assert_eq!(der(pem).unwrap(), [1, 2, 3, 4]);
        assert!(der("").is_err());
        assert!(der("-----BEGIN X-----\n!\n-----END X-----\n").is_err());
    }

    #[test]
    fn findings_and_what_they_mean() {
        let finding = |severity| Finding {
            severity,
            file: Some("p.toml".into()),
            line: Some(3),
            text: "log.level is odd".into(),
        };
        assert_eq!(
            found(
                Some(Path::new("p.toml")),
                &[finding(Severity::Warning), finding(Severity::Error)]
            ),
            "warning: p.toml:3: log.level is odd\nerror: p.toml:3: log.level is odd\n\
             p.toml has one error; the daemon would not start with it.\n"
        );
        assert_eq!(
            found(None, &[]),
            "The configuration (no file, all defaults) is good.\n"
        );
    }

    #[test]
    fn status_for_people() {
        let status = Status {
            version: "0.1.0".into(),
            process: 7,
            uptime_seconds: 3_720,
            config_file: None,
            state_dir: "/var/lib/portreeve".into(),
            hostname: "gw".into(),
            listeners: vec![crate::control::Bound {
                name: "smtp".into(),
                protocol: "smtp".into(),
                tls: "starttls".into(),
                address: "127.0.0.1:1587".parse().unwrap(),
            }],
            mailboxes: [("works".to_owned(), 2), ("waiting".to_owned(), 1)].into(),
            devices: 3,
            sessions: 0,
        };
        assert_eq!(
            shown(&status),
            "\
Portreeve:      0.1.0 (process 7)
Running for:    1 h 2 min
Host name:      gw
Configuration:  defaults, no file
State folder:   /var/lib/portreeve
Mailboxes:      3: 1 waiting, 2 works
Devices:        3
Connections:    0

LISTENER  PROTOCOL  TLS       ADDRESS
smtp      SMTP      starttls  127.0.0.1:1587
"
        );
    }
}
