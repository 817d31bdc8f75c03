//! A sign-in as a person follows it: link, code, QR code, countdown, and how it ended.
//!
//! The sign-in itself goes on in the daemon (or in this process); leaving does not end it.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{
    args::Patience,
    exit::{End, Outcome},
    link::Link,
    qr,
    screen::{Screen, ask},
    times::{left, moment},
};
use crate::control::{
    Failure,
    sign_in::{Confirm, Follow, SignInView, Stage},
};

/// How often the countdown is drawn.
const TICK: Duration = Duration::from_secs(1);

/// Follows a sign-in to its end, or to where the person leaves it.
pub(super) async fn follow(link: &Link, mut view: SignInView, wait: &Patience) -> Outcome {
    let mut shown = Shown::new(wait);
    loop {
        shown.show(&view)?;
        match &view.stage {
            Stage::Done { .. } => return shown.next_step(&view),
            Stage::Failed { words } => {
                return Err(Failure::provider(format!(
                    "{words} Try again with `portreeve mailbox sign-in {}`.",
                    view.mailbox
                ))
                .into());
            }
            Stage::NeedsConfirmation { account } => {
                let accept = decide(&view.mailbox, account, wait).await?;
                view = confirm(link, &view.mailbox, account, accept).await?;
                continue;
            }
            Stage::Waiting { expires_at, .. } if wait.no_wait => {
                return shown.leave(&view.mailbox, *expires_at, link.is_daemon());
            }
            Stage::Waiting { .. } | Stage::Proving => {}
        }
        view = tokio::select! {
            followed = until_news(link, &view, &mut shown) => followed?,
            left = tokio::signal::ctrl_c() => {
                left?;
                shown.screen.wipe()?;
                return Err(End::Unfinished(left_open(&view.mailbox, link.is_daemon())));
            }
        };
    }
}

/// Answers "is this the right account?" for a sign-in that asks.
pub(super) async fn confirm(
    link: &Link,
    mailbox: &str,
    account: &str,
    accept: bool,
) -> Result<SignInView, Failure> {
    let confirm = Confirm {
        mailbox: mailbox.to_owned(),
        account: Some(account.to_owned()).filter(|_| accept),
    };
    link.call(confirm, |_| {}).await
}

/// What a person reads who has left a sign-in open.
fn left_open(mailbox: &str, daemon: bool) -> String {
    let who = if daemon {
        "The daemon goes on waiting"
    } else {
        "The sign-in stays open, and the daemon will wait for it when it runs"
    };
    format!("{who}; `portreeve mailbox sign-in {mailbox}` shows the code again.")
}

/// Waits for the sign-in's next stage, drawing the countdown.
async fn until_news(
    link: &Link,
    view: &SignInView,
    shown: &mut Shown<'_>,
) -> Result<SignInView, End> {
    let follow = Follow {
        mailbox: view.mailbox.clone(),
    };
    let (news, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let call = link.call(follow, move |progress| {
        let _ = news.send(progress);
    });
    tokio::pin!(call);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut now = view.clone();
    loop {
        tokio::select! {
            biased;
            Some(progress) = heard.recv() => {
                if let crate::control::Progress::SignIn(view) = progress {
                    shown.show(&view)?;
                    now = view;
                }
            }
            ended = &mut call => return Ok(ended?),
            _ = tick.tick() => shown.tick(&now)?,
        }
    }
}

/// Accepts by option or by a person's answer.
async fn decide(mailbox: &str, account: &str, wait: &Patience) -> Result<bool, End> {
    if let Some(accepted) = &wait.accept_account {
        if accepted.eq_ignore_ascii_case(account) {
            return Ok(true);
        }
        return Err(Failure::request(format!(
            "{account} signed in for {mailbox}, not {accepted}. Nothing is accepted: accept it \
             with `portreeve mailbox confirm {mailbox} --accept-account {account}`, or refuse it \
             with --decline and sign in again."
        ))
        .into());
    }
    let question = format!("Use the account {account} for {mailbox}? Type yes or no:");
    let answer = if wait.json {
        None
    } else {
        answer(question).await?
    };
    match answer.as_deref().map(str::to_lowercase).as_deref() {
        Some("yes" | "y") => Ok(true),
        Some("no" | "n") => Ok(false),
        _ => Err(End::Unfinished(format!(
            "{account} signed in for {mailbox}. Accept it with `portreeve mailbox confirm \
             {mailbox} --accept-account {account}`, or refuse it with --decline."
        ))),
    }
}

/// A person's answer; Ctrl-C at the question is none.
async fn answer(question: String) -> Result<Option<String>, End> {
    let asked = tokio::task::spawn_blocking(move || ask(&question));
    tokio::select! {
        answer = asked => Ok(answer.map_err(std::io::Error::other)??),
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            Ok(None)
        }
    }
}

/// What was shown so far, so that nothing is shown twice.
struct Shown<'a> {
    screen: Screen<std::io::Stdout>,
    wait: &'a Patience,
    last: Option<Stage>,
}

impl<'a> Shown<'a> {
    fn new(wait: &'a Patience) -> Self {
        Self {
            screen: Screen::stdout(),
            wait,
            last: None,
        }
    }

    fn show(&mut self, view: &SignInView) -> Result<(), End> {
        if self.last.as_ref() == Some(&view.stage) {
            return Ok(());
        }
        self.last = Some(view.stage.clone());
        if self.wait.json {
            return super::print_json_line(view);
        }
        let qr = self.wait.qr || self.screen.is_terminal();
        for line in lines(view, qr, self.screen.is_terminal()) {
            self.screen.say(&line)?;
        }
        Ok(())
    }

    fn tick(&mut self, view: &SignInView) -> Result<(), End> {
        if let Stage::Waiting { expires_at, .. } = view.stage
            && !self.wait.json
        {
            self.screen
                .countdown("  Waiting for the sign-in", left(expires_at))?;
        }
        Ok(())
    }

    fn leave(&mut self, mailbox: &str, expires_at: i64, daemon: bool) -> Outcome {
        if !self.wait.json {
            self.screen.say(&format!(
                "  The code is good until {}. {}",
                moment(expires_at),
                left_open(mailbox, daemon)
            ))?;
        }
        Ok(())
    }

    fn next_step(&mut self, view: &SignInView) -> Outcome {
        if !self.wait.json {
            self.screen.say(&next_step(&view.mailbox))?;
        }
        Ok(())
    }
}

/// What to type when the mailbox works.
pub(super) fn next_step(mailbox: &str) -> String {
    format!(
        "\nNext, for each device or program:\n  portreeve device add \"Scanner 2nd floor\" --mailbox {mailbox}"
    )
}

/// A stage in words.
fn lines(view: &SignInView, qr: bool, colours: bool) -> Vec<String> {
    let mailbox = &view.mailbox;
    match &view.stage {
        Stage::Waiting { link, code, .. } => {
            let mut lines = vec![
                format!("To sign {mailbox} in, on any computer or phone:"),
                String::new(),
                format!("  Open this link:     {link}"),
                format!("  Type this code:     {code}"),
                format!("  Sign in as:         {}", view.expected),
                String::new(),
            ];
            if qr && let Some(code) = qr::lines(link, colours) {
                lines.extend(code.into_iter().map(|line| format!("  {line}")));
                lines.push(String::new());
            }
            lines
        }
        Stage::NeedsConfirmation { account } => {
            vec![format!(
                "Signed in as {account}; expected was {}.",
                view.expected
            )]
        }
        Stage::Proving => vec!["Signed in; trying the mailbox …".to_owned()],
        Stage::Done { account, note } => done(mailbox, account, note.as_deref()),
        Stage::Failed { .. } => Vec::new(),
    }
}

/// A sign-in that has ended well. With a note the mailbox has not been seen to open, so nobody says
/// that it works.
pub(super) fn done(mailbox: &str, account: &str, note: Option<&str>) -> Vec<String> {
    match note {
        None => vec![format!("{mailbox} works: signed in as {account}.")],
        Some(note) => vec![
            format!("{mailbox} is signed in as {account}, but has not been seen to work."),
            format!("Note: {note}"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(stage: Stage) -> SignInView {
        SignInView {
            mailbox: "scans@contoso.com".into(),
            expected: "scans@contoso.com".into(),
            stage,
        }
    }

    #[test]
    fn stages_in_words() {
        let waiting = view(Stage::Waiting {
            link: "https://microsoft.com/devicelogin".into(),
            code: "FXLMB3C4X".into(),
            expires_at: 0,
        });
        assert_eq!(
            lines(&waiting, false, false).join("\n"),
            "To sign scans@contoso.com in, on any computer or phone:\n\n  \
             Open this link:     https://microsoft.com/devicelogin\n  \
             Type this code:     FXLMB3C4X\n  \
             Sign in as:         scans@contoso.com\n"
        );
        assert!(lines(&waiting, true, false).len() > 15);
        let asks = view(Stage::NeedsConfirmation {
            account: "ann@contoso.com".into(),
        });
        assert_eq!(
            lines(&asks, true, true),
            ["Signed in as ann@contoso.com; expected was scans@contoso.com."]
        );
        let done = |note: Option<&str>| {
            view(Stage::Done {
                account: "scans@contoso.com".into(),
                note: note.map(str::to_owned),
            })
        };
        assert_eq!(
            lines(&done(None), true, true),
            ["scans@contoso.com works: signed in as scans@contoso.com."]
        );
        assert_eq!(
            lines(&done(Some("The mailbox did not open.")), true, true),
            [
                "scans@contoso.com is signed in as scans@contoso.com, but has not been seen to work.",
                "Note: The mailbox did not open."
            ]
        );
    }

    #[tokio::test]
    async fn an_account_that_was_not_named_is_never_accepted_without_a_person() {
        let wait = |accept: Option<&str>| Patience {
            no_wait: false,
            accept_account: accept.map(str::to_owned),
            qr: false,
            json: true,
        };
        let decide =
            async |accept| decide("scans@contoso.com", "Ann@contoso.com", &wait(accept)).await;
        assert!(decide(Some("ann@CONTOSO.com")).await.unwrap());
        let Err(End::Failure(failure)) = decide(Some("bob@contoso.com")).await else {
            panic!("accepted");
        };
        assert!(failure.message.contains("Nothing is accepted"));
        assert!(matches!(decide(None).await, Err(End::Unfinished(_))));
    }
}
