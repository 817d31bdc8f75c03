//! One sign-in from wherever it stands to its end.

use std::sync::Arc;
use std::time::Duration;

use portreeve_state::{Finish, Finished, Grant, Mailbox, SignIn as Row, SignInStatus, StoreError};

use crate::grants::device_code::{Next, Poll, ask};
use crate::grants::refresh::{provider_of, refresh};
use crate::id_token::Claims;
use crate::identity::{Verdict, judge, pin_of};
use crate::oauth::Granted;
use crate::provider::Provider;
use crate::reason::{Reason, ReasonKind};
use crate::sign_in::held::Held;
use crate::sign_in::{Inner, Live, SignInState, Unproved, unusable};

/// An access token with less left is renewed before the proof.
const PROOF_LIFE: Duration = Duration::from_mins(2);

/// The store's troubles pass or they do not.
const STORE_TRIES: u32 = 4;

/// What the steps need to know.
struct Run {
    inner: Arc<Inner>,
    live: Arc<Live>,
    row: Row,
    grant: Grant,
}

/// Goes on until the sign-in is over, an admin is asked, or the sign-in is cancelled.
pub(super) async fn run(inner: Arc<Inner>, live: Arc<Live>, row: Row) {
    let over = live.over.clone();
    let work = async {
        if let Err(reason) = steps(&inner, &live, &row).await {
            end_badly(&inner, &live, &row, reason).await;
        }
    };
    tokio::select! {
        () = over.cancelled() => {}
        () = work => {}
    }
}

async fn steps(inner: &Arc<Inner>, live: &Arc<Live>, row: &Row) -> Result<(), Reason> {
    let grant = inner.store.grant(&row.grant).await;
    let grant = grant
        .map_err(|e| unusable(&e))?
        .ok_or_else(|| Reason::new(ReasonKind::AdminMustFix, "This mailbox was removed."))?;
    let run = Run {
        inner: Arc::clone(inner),
        live: Arc::clone(live),
        row: row.clone(),
        grant,
    };
    match row.status {
        SignInStatus::Waiting => run.wait_for_person().await,
        SignInStatus::NeedsConfirmation => {
            run.ask_admin(row.account.as_deref().unwrap_or_default());
            Ok(())
        }
        SignInStatus::Proving => run.prove().await,
        SignInStatus::Done | SignInStatus::Failed => Ok(()),
    }
}

impl Run {
    async fn wait_for_person(&self) -> Result<(), Reason> {
        let (inner, row) = (&self.inner, &self.row);
        let code = inner.store.device_code(&row.id).await;
        let Some(code) = code.map_err(|e| unusable(&e))? else {
            return Err(interrupted());
        };
        let provider = self.provider()?;
        let now = inner.clock.now();
        let left = u64::try_from(row.expires_at - now.wall).unwrap_or(0);
        let interval = Duration::from_secs(u64::try_from(row.poll_seconds).unwrap_or(0));
        let mut poll = Poll::new(interval, now.after(Duration::from_millis(left)));
        let mut wait = poll.first();
        loop {
            inner.clock.sleep(wait).await;
            let interval = poll.interval();
            let answer = ask(&inner.http, &inner.discovery, &provider, &code).await;
            match poll.answered(answer, inner.clock.now()) {
                Next::Wait(next) => wait = next,
                Next::Ended(reason) => return Err(reason),
                Next::Granted(granted) => return self.identify(granted, &provider).await,
            }
            if poll.interval() != interval {
                let seconds = i64::try_from(poll.interval().as_secs()).unwrap_or(i64::MAX);
                // Only a restart would miss it.
                if let Err(error) = inner.store.set_poll_seconds(&row.id, seconds).await {
                    tracing::debug!(sign_in = %row.id, %error, "the slower rhythm is not stored");
                }
            }
        }
    }

    /// Somebody signed in. Who?
    async fn identify(&self, granted: Granted, provider: &Provider) -> Result<(), Reason> {
        let now = self.inner.clock.now();
        let issuer = self.inner.discovery.endpoints(provider).await?.issuer;
        let id_token = granted.id_token.as_ref().ok_or_else(|| {
            wrong_setting(
                "The provider did not say who signed in. Add `openid profile` to its scopes.",
            )
        })?;
        let claims =
            Claims::read(id_token, provider, issuer.as_deref(), now.wall).map_err(|error| {
                wrong_setting(format!("The provider's id_token is not usable: {error}."))
            })?;
        let refresh_token = granted.refresh_token.ok_or_else(|| {
            wrong_setting(
                "The provider gave no refresh token. Allow `offline_access` for this app.",
            )
        })?;
        let verdict = judge(
            &claims,
            &self.grant.expected_account,
            self.grant.pin.as_ref(),
        );
        let account = claims
            .account
            .clone()
            .unwrap_or_else(|| claims.subject.clone());
        tracing::info!(sign_in = %self.row.id, grant = %self.row.grant, account, ?verdict, "somebody signed in");
        let next = match verdict {
            Verdict::Right => SignInStatus::Proving,
            Verdict::Ask => SignInStatus::NeedsConfirmation,
            Verdict::Wrong => return Err(self.wrong_account(&account)),
        };
        let held = Held {
            refresh_token,
            access_token: granted.access_token,
            ends: now.after(granted.life).wall,
            pin: pin_of(&claims),
            account,
            as_expected: verdict == Verdict::Right,
        };
        if !self.hold(&held, next).await? {
            return Err(interrupted());
        }
        if verdict == Verdict::Ask {
            self.ask_admin(&held.account);
            return Ok(());
        }
        self.live.show(SignInState::Proving);
        self.finish(held).await
    }

    /// A sign-in is dear to a person: a busy disk does not cost it. False: cancelled meanwhile.
    async fn hold(&self, held: &Held, next: SignInStatus) -> Result<bool, Reason> {
        let text = held.pack().ok_or_else(interrupted)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let store = &self.inner.store;
            match store
                .hold_tokens(&self.row.id, next, &held.account, &text)
                .await
            {
                Ok(held) => return Ok(held),
                Err(error) if tries == STORE_TRIES => return Err(unusable(&error)),
                Err(error) => self.store_trouble(&error).await,
            }
        }
    }

    fn ask_admin(&self, account: &str) {
        self.live.show(SignInState::NeedsConfirmation {
            account: account.to_owned(),
            expected: self.grant.expected_account.clone(),
        });
    }

    /// After a confirmation or a restart.
    async fn prove(&self) -> Result<(), Reason> {
        let held = self.inner.store.held_tokens(&self.row.id).await;
        let held = held.map_err(|e| unusable(&e))?;
        let held = held
            .as_ref()
            .and_then(Held::unpack)
            .ok_or_else(interrupted)?;
        self.finish(held).await
    }

    async fn finish(&self, mut held: Held) -> Result<(), Reason> {
        let note = match self.try_access(&mut held).await? {
            Ok(()) => None,
            Err(Unproved::Refused(words)) if !held.as_expected && self.grant.pin.is_none() => {
                return Err(wrong_setting(format!(
                    "{} signed in, but has no access to this mailbox: {words}. Sign in as {}, or give that account access first.",
                    held.account, self.grant.expected_account
                )));
            }
            Err(Unproved::Refused(words)) => Some(format!(
                "The sign-in is kept, but the mailbox did not open: {words}. Check that the protocol is switched on for it; changes take up to 90 minutes."
            )),
            Err(Unproved::Unreachable(words)) => Some(format!(
                "The sign-in is kept; whether the mailbox opens is not known yet: {words}."
            )),
        };
        let generation = self.save(&held, note.as_deref()).await?;
        let Some(generation) = generation else {
            return Err(interrupted());
        };
        let access = held.access(self.inner.clock.now(), PROOF_LIFE);
        self.inner
            .broker
            .signed_in(&self.row.grant, generation, held.refresh_token, access);
        tracing::info!(sign_in = %self.row.id, grant = %self.row.grant, account = held.account, note, "signed in");
        self.live.end(SignInState::Done {
            account: held.account,
            note,
        });
        Ok(())
    }

    /// The outer error ends the sign-in, the inner one is a remark.
    async fn try_access(&self, held: &mut Held) -> Result<Result<(), Unproved>, Reason> {
        let inner = &self.inner;
        let Some(mailbox) = self.mailbox().await? else {
            let words = "the mailbox was removed meanwhile".to_owned();
            return Ok(Err(Unproved::Unreachable(words)));
        };
        if held.access(inner.clock.now(), PROOF_LIFE).is_none() {
            let provider = self.provider()?;
            let renewed = refresh(
                &inner.http,
                &inner.discovery,
                &provider,
                &held.refresh_token,
            )
            .await;
            match renewed {
                Ok(granted) => held.renew(granted, inner.clock.now()),
                Err(failed) if failed.reason.is_transient() => {
                    return Ok(Err(Unproved::Unreachable(failed.reason.advice)));
                }
                Err(failed) => return Err(failed.reason),
            }
        }
        match held.access(inner.clock.now(), Duration::ZERO) {
            Some(token) => Ok((inner.prove)(Arc::new(mailbox), token).await),
            None => Ok(Err(Unproved::Unreachable("the token ended".to_owned()))),
        }
    }

    /// The mailbox that the sign-in was begun for, or another one of the same grant.
    async fn mailbox(&self) -> Result<Option<Mailbox>, Reason> {
        let all = self
            .inner
            .store
            .mailboxes()
            .await
            .map_err(|e| unusable(&e))?;
        let mut ours: Vec<Mailbox> = all
            .into_iter()
            .filter(|mailbox| mailbox.grant == self.row.grant)
            .collect();
        let at = ours
            .iter()
            .position(|m| Some(&m.id) == self.row.mailbox.as_ref());
        Ok(match at {
            Some(at) => Some(ours.swap_remove(at)),
            None => ours.pop(),
        })
    }

    /// The grant's new generation; `None`: cancelled meanwhile.
    async fn save(&self, held: &Held, note: Option<&str>) -> Result<Option<i64>, Reason> {
        let finish = Finish {
            pin: &held.pin,
            account: &held.account,
            refresh_token: &held.refresh_token,
            note,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.inner.store.finish_sign_in(&self.row.id, &finish).await {
                Ok(Finished::Yes { generation }) => return Ok(Some(generation)),
                Ok(Finished::Outdated) => return Ok(None),
                Ok(Finished::OtherIdentity) => return Err(self.wrong_account(&held.account)),
                Err(error) if tries == STORE_TRIES => return Err(unusable(&error)),
                Err(error) => self.store_trouble(&error).await,
            }
        }
    }

    async fn store_trouble(&self, error: &StoreError) {
        tracing::warn!(sign_in = %self.row.id, %error, "a sign-in cannot be stored; trying again");
        self.inner.clock.sleep(Duration::from_secs(2)).await;
    }

    fn provider(&self) -> Result<Provider, Reason> {
        provider_of(&self.inner.providers.borrow().clone(), &self.grant)
    }

    fn wrong_account(&self, account: &str) -> Reason {
        let owner = self.grant.account.as_deref();
        let owner = owner.unwrap_or(&self.grant.expected_account);
        Reason::new(
            ReasonKind::NeedsSignIn,
            format!(
                "Wrong account: {account} signed in, but this mailbox belongs to {owner}. Start the sign-in again and choose that account."
            ),
        )
    }
}

async fn end_badly(inner: &Inner, live: &Live, row: &Row, reason: Reason) {
    tracing::warn!(sign_in = %row.id, grant = %row.grant, class = reason.kind.word(), code = reason.code, trace = reason.trace.as_deref(), "sign-in failed: {reason}");
    if let Err(error) = inner.store.fail_sign_in(&row.id, &reason.to_string()).await {
        tracing::warn!(sign_in = %row.id, %error, "the end of a sign-in cannot be stored");
    }
    live.end(SignInState::Failed(reason));
}

fn wrong_setting(advice: impl Into<String>) -> Reason {
    Reason::new(ReasonKind::AdminMustFix, advice)
}

fn interrupted() -> Reason {
    Reason::new(
        ReasonKind::NeedsSignIn,
        "The sign-in was interrupted. Start it again.",
    )
}
