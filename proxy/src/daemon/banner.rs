//! What `run` prints when it is ready: what it bound, what is missing, the next command to type.

use std::io::Write as _;

use portreeve_auth::Health;

use crate::control::{Bound, Control};

/// Prints to the standard output; whoever closed it does not want it.
pub(super) fn print(control: &Control) {
    let text = text(control);
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn text(control: &Control) -> String {
    let config = control.config.borrow().clone();
    let bound = control
        .running
        .as_ref()
        .map(|running| running.listeners.borrow().clone());
    let listeners: String = bound.unwrap_or_default().iter().map(line).collect();
    let mut facts = vec![
        format!("  name     {}", config.hostname),
        format!("  state    {}", config.state_dir.display()),
    ];
    facts.extend(
        config
            .file
            .as_ref()
            .map(|file| format!("  settings {}", file.display())),
    );
    format!(
        "\nPortreeve {} is ready.\n\n{listeners}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        facts.join("\n"),
        next(control),
    )
}

fn line(bound: &Bound) -> String {
    let tls = match bound.tls.as_str() {
        "starttls" => "STARTTLS",
        "implicit" => "TLS",
        _ => "no TLS",
    };
    format!(
        "  {:<6}   {:<22} {tls}\n",
        bound.protocol,
        bound.address.to_string()
    )
}

/// The next thing to do, told by what is there.
fn next(control: &Control) -> String {
    let me = std::env::args()
        .next()
        .unwrap_or_else(|| "portreeve".to_owned());
    let mailboxes = control.gate.mailboxes();
    let Some(mailbox) = mailboxes.first() else {
        return format!(
            "\nNo mailbox is set up yet. Next, in another terminal:\n\n  \
             {me} mailbox add scans@contoso.com --tenant <tenant id> --client-id <client id>\n\n\
             Where the two ids come from: docs/entra-app.md\n\n"
        );
    };
    let waiting: Vec<_> = mailboxes
        .iter()
        .filter(|mailbox| {
            matches!(
                control.broker.health(mailbox),
                Health::NotSignedIn | Health::NeedsSignIn { .. }
            )
        })
        .collect();
    if let Some(first) = waiting.first() {
        return format!(
            "\n{} of {} mailboxes wait for a sign-in. Next:\n\n  {me} mailbox sign-in {}\n\n",
            waiting.len(),
            mailboxes.len(),
            first.address,
        );
    }
    if control.gate.devices().is_empty() {
        return format!(
            "\nNo device is set up yet. Next:\n\n  {me} device add \"Scanner 2nd floor\" --mailbox {}\n\n",
            mailbox.address,
        );
    }
    format!("\nTo see how it is doing: {me} status\n\n")
}
