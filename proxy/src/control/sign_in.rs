//! Use cases of signing in: begin, follow, confirm.
//!
//! The sign-in itself goes on in the background, whether or not somebody follows it.

use std::collections::BTreeMap;

use portreeve_auth::{Grant, GrantId, Mailbox, Reason, ReasonKind, SignInState};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Asker, Control, Failure, Progress,
    mailbox::{find, millis},
};

/// Begins a sign-in, or finds the one that is waiting.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// The mailbox's address.
    pub(crate) mailbox: String,
}

/// Waits until a sign-in ends or needs a decision; tells each step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Follow {
    /// The mailbox's address.
    pub(crate) mailbox: String,
}

/// Decides whether the account that signed in is the right one; waits for the proof.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Confirm {
    /// The mailbox's address.
    pub(crate) mailbox: String,
    /// The account that was shown and is accepted; `None` declines.
    pub(crate) account: Option<String>,
}

/// A sign-in as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignInView {
    /// The mailbox's address.
    pub(crate) mailbox: String,
    /// Who is expected to sign in.
    pub(crate) expected: String,
    /// How far it is.
    #[serde(flatten)]
    pub(crate) stage: Stage,
}

/// How far a sign-in is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub(crate) enum Stage {
    /// Nobody has signed in yet.
    Waiting {
        /// Where the person goes.
        link: String,
        /// What the person types there.
        code: String,
        /// When the code ends, in epoch milliseconds.
        expires_at: i64,
    },
    /// Somebody else than expected signed in.
    NeedsConfirmation {
        /// Who signed in.
        account: String,
    },
    /// The tokens are here; the mailbox is being tried.
    Proving,
    /// It worked.
    Done {
        /// Who signed in.
        account: String,
        /// What else the person should know.
        note: Option<String>,
    },
    /// It did not.
    Failed {
        /// Why, and what to do.
        words: String,
    },
}

impl Stage {
    /// Whether nothing more happens by itself.
    fn rests(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::Proving)
    }
}

impl From<&SignInState> for Stage {
    fn from(state: &SignInState) -> Self {
        match state {
            SignInState::Waiting {
                link,
                code,
                expires_at,
            } => Self::Waiting {
                link: link.clone(),
                code: code.clone(),
                expires_at: millis(*expires_at),
            },
            SignInState::NeedsConfirmation { account, .. } => Self::NeedsConfirmation {
                account: account.clone(),
            },
            SignInState::Proving => Self::Proving,
            SignInState::Done { account, note } => Self::Done {
                account: account.clone(),
                note: note.clone(),
            },
            SignInState::Failed(reason) => Self::Failed {
                words: sentence(reason),
            },
        }
    }
}

/// Begins a sign-in, or finds the one that is waiting.
pub(crate) async fn begin(
    control: &Control,
    begin: Begin,
    asker: &Asker,
) -> Result<SignInView, Failure> {
    let mailbox = find(control, &begin.mailbox).await?;
    let grant = control.grant_of(&mailbox).await?;
    let view = start(control, &mailbox, &grant.expected_account).await?;
    control
        .audit(asker, "mailbox.sign-in", &mailbox.address, &json!({}))
        .await?;
    Ok(view)
}

/// Waits until a sign-in ends or needs a decision.
pub(crate) async fn follow(
    control: &Control,
    follow: Follow,
    asker: &Asker,
) -> Result<SignInView, Failure> {
    let mailbox = find(control, &follow.mailbox).await?;
    let grant = control.grant_of(&mailbox).await?;
    until_rest(control, &mailbox, &grant, asker).await
}

/// Accepts or declines the account that signed in.
pub(crate) async fn confirm(
    control: &Control,
    confirm: Confirm,
    asker: &Asker,
) -> Result<SignInView, Failure> {
    let mailbox = find(control, &confirm.mailbox).await?;
    let grant = control.grant_of(&mailbox).await?;
    let nothing = || {
        Failure::request(format!(
            "No sign-in of {} waits for a decision; `portreeve mailbox show {0}` says how it is.",
            mailbox.address
        ))
    };
    let last = control
        .store
        .last_sign_in(&grant.id)
        .await?
        .ok_or_else(nothing)?;
    let Some(accepted) = &confirm.account else {
        if !control.sign_ins.decline(&last.id).await? {
            return Err(nothing());
        }
        let detail = json!({ "account": last.account });
        control
            .audit(asker, "mailbox.decline", &mailbox.address, &detail)
            .await?;
        return Ok(view(
            &mailbox,
            &grant,
            Stage::Failed {
                words: "Declined; nothing of this sign-in is kept.".to_owned(),
            },
        ));
    };
    // The account is named again by whoever accepts it: another one may have come in between.
    if let Some(account) = last
        .account
        .as_ref()
        .filter(|name| !name.eq_ignore_ascii_case(accepted))
    {
        return Err(Failure::request(format!(
            "{account} signed in for {}, not {accepted}; nothing was accepted.",
            mailbox.address
        )));
    }
    if !control.sign_ins.confirm(&last.id).await? {
        return Err(nothing());
    }
    let detail = json!({ "account": last.account, "expected": grant.expected_account });
    control
        .audit(asker, "mailbox.confirm", &mailbox.address, &detail)
        .await?;
    until_rest(control, &mailbox, &grant, asker).await
}

/// Starts a sign-in of a mailbox, or finds the pending one.
pub(super) async fn start(
    control: &Control,
    mailbox: &Mailbox,
    expected: &str,
) -> Result<SignInView, Failure> {
    let begun = control.sign_ins.begin(mailbox).await;
    let sign_in = begun.map_err(|reason| refused(&mailbox.address, &reason))?;
    let stage = Stage::from(&*sign_in.state.borrow());
    Ok(SignInView {
        mailbox: mailbox.address.clone(),
        expected: expected.to_owned(),
        stage,
    })
}

/// A reason as a failure.
pub(super) fn refused(mailbox: &str, reason: &Reason) -> Failure {
    let words = format!("{mailbox} cannot be signed in: {}", sentence(reason));
    match reason.kind {
        ReasonKind::AdminMustFix => Failure::configuration(words),
        _ => Failure::provider(words),
    }
}

/// Sign-ins under way, by grant.
pub(super) async fn pending(
    control: &Control,
    mailboxes: &[Mailbox],
    grants: &BTreeMap<GrantId, Grant>,
) -> Result<BTreeMap<GrantId, SignInView>, Failure> {
    let now = millis(std::time::SystemTime::now());
    let mut views = BTreeMap::new();
    for sign_in in control.store.pending_sign_ins().await? {
        let Some(mailbox) = mailboxes
            .iter()
            .find(|mailbox| mailbox.grant == sign_in.grant)
        else {
            continue;
        };
        let Some(grant) = grants.get(&sign_in.grant) else {
            continue;
        };
        let stage = match control.sign_ins.watch(&sign_in.id) {
            Some(state) => Stage::from(&*state.borrow()),
            // Not resumed in this process: what is written down is all there is.
            None if sign_in.account.is_none() && sign_in.expires_at > now => Stage::Waiting {
                link: sign_in.link,
                code: sign_in.user_code,
                expires_at: sign_in.expires_at,
            },
            None => continue,
        };
        views.insert(sign_in.grant, view(mailbox, grant, stage));
    }
    Ok(views)
}

async fn until_rest(
    control: &Control,
    mailbox: &Mailbox,
    grant: &Grant,
    asker: &Asker,
) -> Result<SignInView, Failure> {
    let last = control.store.last_sign_in(&grant.id).await?;
    let Some(mut state) = last.and_then(|last| control.sign_ins.watch(&last.id)) else {
        return Err(Failure::request(format!(
            "No sign-in of {0} is under way; begin one with `portreeve mailbox sign-in {0}`.",
            mailbox.address
        )));
    };
    loop {
        let now = view(mailbox, grant, Stage::from(&*state.borrow_and_update()));
        if now.stage.rests() {
            return Ok(now);
        }
        asker.tell(Progress::SignIn(now)).await;
        let changed = tokio::select! {
            changed = state.changed() => changed.is_ok(),
            () = asker.abandoned() => false,
        };
        if !changed {
            return Err(Failure::portreeve(format!(
                "The sign-in of {0} was given up; begin again with `portreeve mailbox sign-in {0}`.",
                mailbox.address
            )));
        }
    }
}

fn view(mailbox: &Mailbox, grant: &Grant, stage: Stage) -> SignInView {
    SignInView {
        mailbox: mailbox.address.clone(),
        expected: grant.expected_account.clone(),
        stage,
    }
}

/// Advice with its number as one sentence.
pub(super) fn sentence(reason: &Reason) -> String {
    let advice = reason.advice.trim_end().trim_end_matches('.');
    let code = reason.code.map(|code| format!(" (AADSTS{code})"));
    let trace = reason
        .trace
        .as_ref()
        .map(|trace| format!(" For Microsoft's support: {trace}."));
    format!(
        "{advice}{}.{}",
        code.unwrap_or_default(),
        trace.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_flat_json_with_its_name() {
        let view = SignInView {
            mailbox: "scans@contoso.com".into(),
            expected: "scans@contoso.com".into(),
            stage: Stage::NeedsConfirmation {
                account: "ann@contoso.com".into(),
            },
        };
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["stage"], "needs-confirmation");
        assert_eq!(json["account"], "ann@contoso.com");
        assert_eq!(serde_json::from_value::<SignInView>(json).unwrap(), view);
    }

    #[test]
    fn reasons_are_sentences() {
        let mut reason = Reason::new(ReasonKind::BlockedByPolicy, "Exclude this account.");
        reason.code = Some(53003);
        reason.trace = Some("trace 1".into());
        assert_eq!(
            sentence(&reason),
            "Exclude this account (AADSTS53003). For Microsoft's support: trace 1."
        );
    }
}
