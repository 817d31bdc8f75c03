//! What `run` prints when it is ready: what it bound, what is missing, the next command to type.

use std::io::Write as _;

use portreeve_auth::Health;

use crate::control::{Bound, Control};

/// Prints to the standard output; whoever closed it does not want it.
pub(super) async fn print(control: &Control) {
    let text = text(control).await;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn text(control: &Control) -> String {
    let config = control.config.borrow().clone();
    let listeners = control.running.as_ref().map(|running| running.listeners.borrow().clone());
    let mut text = format!("\nPortreeve {} is ready.\n\n", env!("CARGO_PKG_VERSION"));
    for listener in listeners.unwrap_or_default() {
        text += &line(&listener);
    }
    text += &format!("\n  name     {}\n  state    {}\n", config.hostname, config.state_dir.display());
    if let Some(file) = &config.file {
        text += &format!("  settings {}\n", file.display());
    }
    text += &next(control).await;
    text
}

fn line(bound: &Bound) -> String {
    let tls = match bound.tls.as_str() {
        "starttls" => "STARTTLS",
        "implicit" => "TLS",
        _ => "no TLS",
    };
    format!("  {:<6}   {:<22} {tls}\n", bound.protocol, bound.address.to_string())
}

/// The next thing to do, told by what is there.
async fn next(control: &Control) -> String {
    let me = std::env::args().next().unwrap_or_else(|| "portreeve".to_owned());
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
