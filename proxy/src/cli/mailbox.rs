//! `portreeve mailbox …`: asks `control` and prints what it says.

use super::{
    args::{
        MailboxAdd, MailboxCommand, MailboxConfirm, MailboxRemove, MailboxSignIn, MailboxTest,
        Output,
    },
    exit::{End, Outcome},
    link::Link,
    print, print_json,
    screen::ask,
    sign_in,
    table::{facts, table},
    times::moment,
};
use crate::control::{
    Failure,
    mailbox::{Add, List, MailboxView, Remove, Removed, Show, Test, Tested},
    sign_in::{Begin, Confirm, SignInView, Stage},
};

/// Runs a command.
pub(super) async fn run(link: &Link, command: MailboxCommand) -> Outcome {
    match command {
        MailboxCommand::Add(args) => add(link, args).await,
        MailboxCommand::List(output) => list(link, &output).await,
        MailboxCommand::Show(args) => {
            let show = Show {
                mailbox: args.address,
            };
            let mailbox = link.call(show, |_| {}).await?;
            if args.output.json {
                return print_json(&mailbox);
            }
            print(&shown(&mailbox))
        }
        MailboxCommand::SignIn(args) => begin(link, args).await,
        MailboxCommand::Confirm(args) => confirm(link, args).await,
        MailboxCommand::Remove(args) => remove(link, args).await,
        MailboxCommand::Test(args) => test(link, args).await,
    }
}

async fn add(link: &Link, args: MailboxAdd) -> Outcome {
    let add = Add {
        address: args.address,
        provider: args.provider,
        tenant: args.tenant,
        client_id: args.client_id,
        signed_in_as: args.signed_in_as,
    };
    let added = link.call(add, |_| {}).await?;
    sign_in::follow(link, added.sign_in, &args.wait).await
}

async fn begin(link: &Link, args: MailboxSignIn) -> Outcome {
    let begin = Begin {
        mailbox: args.address,
    };
    let view = link.call(begin, |_| {}).await?;
    sign_in::follow(link, view, &args.wait).await
}

async fn confirm(link: &Link, args: MailboxConfirm) -> Outcome {
    let confirm = Confirm {
        mailbox: args.address,
        account: args.accept_account,
    };
    let view = link.call(confirm, |_| {}).await?;
    if args.output.json {
        return print_json(&view);
    }
    match &view.stage {
        Stage::Done { account, note } => {
            let done = sign_in::done(&view.mailbox, account, note.as_deref());
            print(&format!(
                "{}\n{}\n",
                done.join("\n"),
                sign_in::next_step(&view.mailbox)
            ))
        }
        Stage::Failed { words } if args.decline => print(&format!("{words}\n")),
        Stage::Failed { words } => Err(Failure::provider(words.clone()).into()),
        _ => print(&format!(
            "See `portreeve mailbox show {}` for how it goes on.\n",
            view.mailbox
        )),
    }
}

async fn list(link: &Link, output: &Output) -> Outcome {
    let mailboxes = link.call(List {}, |_| {}).await?;
    if output.json {
        return print_json(&mailboxes);
    }
    print(&listed(&mailboxes))
}

async fn remove(link: &Link, args: MailboxRemove) -> Outcome {
    let show = Show {
        mailbox: args.address,
    };
    let mailbox = link.call(show, |_| {}).await?;
    if !args.yes && !mailbox.devices.is_empty() {
        let question = format!("{}\nRemove it? Type yes or no:", consequences(&mailbox));
        match ask(&question)? {
            Some(answer) if matches!(answer.to_lowercase().as_str(), "yes" | "y") => {}
            Some(_) => return Err(Failure::request("Nothing was removed.").into()),
            None => {
                return Err(End::Usage(format!(
                    "{} Say --yes to remove it.",
                    consequences(&mailbox)
                )));
            }
        }
    }
    let remove = Remove {
        mailbox: mailbox.address.clone(),
    };
    let removed = link.call(remove, |_| {}).await?;
    if args.output.json {
        return print_json(&removed);
    }
    print(&gone(&mailbox.address, &removed))
}

async fn test(link: &Link, args: MailboxTest) -> Outcome {
    let test = Test {
        mailbox: args.address,
    };
    let tested = link.call(test, |_| {}).await?;
    if args.output.json {
        print_json(&tested)?;
    } else {
        print(&seen(&tested))?;
    }
    if tested.works() {
        Ok(())
    } else {
        Err(End::Said)
    }
}

fn listed(mailboxes: &[MailboxView]) -> String {
    if mailboxes.is_empty() {
        return "There is no mailbox yet; `portreeve mailbox add ADDRESS` adds one.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = mailboxes
        .iter()
        .map(|mailbox| {
            vec![
                mailbox.address.clone(),
                mailbox.state.words.clone(),
                mailbox.token_expires_at.map_or("-".to_owned(), moment),
                match mailbox.devices.len() {
                    0 => "none".to_owned(),
                    _ => mailbox.devices.join(", "),
                },
            ]
        })
        .collect();
    table(&["MAILBOX", "STATE", "TOKEN GOOD UNTIL", "DEVICES"], &rows)
}

fn shown(mailbox: &MailboxView) -> String {
    let mut lines = vec![
        ("Mailbox", mailbox.address.clone()),
        ("State", mailbox.state.words.clone()),
        ("Provider", mailbox.provider.clone()),
    ];
    let mut some = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    some("Tenant", mailbox.tenant.clone());
    some("Client id", mailbox.client_id.clone());
    some("Signs in as", Some(mailbox.signs_in_as.clone()));
    some("Signed in as", mailbox.signed_in_as.clone());
    some("Last sign-in or renewal", mailbox.renewed_at.map(moment));
    some("Token good until", mailbox.token_expires_at.map(moment));
    some("Trace for support", mailbox.state.trace.clone());
    if let Some(SignInView {
        stage:
            Stage::Waiting {
                link,
                code,
                expires_at,
            },
        ..
    }) = &mailbox.sign_in
    {
        some("Sign in at", Some(link.clone()));
        some(
            "Code",
            Some(format!("{code}, good until {}", moment(*expires_at))),
        );
    }
    some(
        "Same sign-in as",
        Some(mailbox.shares_sign_in_with.join(", ")).filter(|names| !names.is_empty()),
    );
    some(
        "Devices",
        Some(mailbox.devices.join(", ")).filter(|names| !names.is_empty()),
    );
    some("Added", Some(moment(mailbox.created_at)));
    facts(&lines)
}

/// What happens to the devices of a mailbox that goes.
fn consequences(mailbox: &MailboxView) -> String {
    let (devices, address) = (mailbox.devices.join(", "), &mailbox.address);
    match mailbox.devices.len() {
        1 => format!("The device {devices} uses {address} and will be refused there."),
        _ => format!("The devices {devices} use {address} and will be refused there."),
    }
}

fn gone(address: &str, removed: &Removed) -> String {
    let mut text = format!("{address} is removed");
    text.push_str(if removed.sign_in_kept {
        "; its sign-in is kept, because another mailbox uses it.\n"
    } else {
        ", and its sign-in is forgotten. To end it at the provider too, revoke the account's sessions there.\n"
    });
    if !removed.devices_without_mailbox.is_empty() {
        text.extend([
            "Without any mailbox now, and therefore refused: ",
            &removed.devices_without_mailbox.join(", "),
            ". Remove them with `portreeve device remove`.\n",
        ]);
    }
    text
}

fn seen(tested: &Tested) -> String {
    let mut text = format!("{}\n", tested.token);
    let rows: Vec<Vec<String>> = tested
        .protocols
        .iter()
        .map(|one| {
            vec![
                one.protocol.to_uppercase(),
                if one.works { "works" } else { "refused" }.to_owned(),
                one.server.clone(),
                format!("{} ms", one.milliseconds),
                one.words.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(
            &["PROTOCOL", "RESULT", "SERVER", "TOOK", "WHAT WAS SEEN"],
            &rows,
        ));
    }
    text
}

#[cfg(test)]
mod tests;
