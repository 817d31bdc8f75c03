//! The steps of a sign-in: begun, tokens held, confirmed, finished or failed.

use secrecy::SecretString;
use sqlx::AnyConnection;

use super::{device_code_of, read, tokens_of};
use crate::grant::{current_of, read_pin};
use crate::sql::{column, sql};
use crate::{GrantId, MailboxId, Millis, Pin, SignIn, SignInId, SignInStatus, Store, StoreError};

/// A sign-in to be begun. Debug shows no device code.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    /// The grant it is for.
    pub grant: GrantId,
    /// The mailbox it is begun for.
    pub mailbox: MailboxId,
    /// Where the person goes.
    pub link: String,
    /// What the person types there.
    pub user_code: String,
    /// What we ask the provider with.
    pub device_code: SecretString,
    /// Seconds between two questions.
    pub poll_seconds: i64,
    /// When the code ends.
    pub expires_at: Millis,
}

/// Whether a sign-in was begun.
#[derive(Debug, Clone)]
pub enum Begun {
    /// It was.
    New(SignIn),
    /// One is pending already; the new code is not needed.
    Pending(SignIn),
}

/// What a successful sign-in brings. Debug shows no token.
#[derive(Debug)]
pub struct Finish<'a> {
    /// Who signed in, for good.
    pub pin: &'a Pin,
    /// The account name to show.
    pub account: &'a str,
    /// The refresh token.
    pub refresh_token: &'a SecretString,
    /// A note for the person.
    pub note: Option<&'a str>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Saved; this is the grant's generation now.
    Yes {
        /// The new generation.
        generation: i64,
    },
    /// The sign-in was no longer being proved: finished, failed or removed by somebody else.
    Outdated,
    /// The grant is pinned to another identity; nothing was changed.
    OtherIdentity,
}

impl Store {
    /// Begins a sign-in unless one is pending; earlier ones of the grant are forgotten.
    pub async fn begin_sign_in(&self, new: &NewSignIn) -> Result<Begun, StoreError> {
        let mut write = self.write().await?;
        forget_ended(&mut write, &new.grant).await?;
        if let Some(pending) = pending(&mut write, &new.grant).await? {
            return Ok(Begun::Pending(pending));
        }
        let id = SignInId::random();
        let row = sqlx::query(sql(
            "INSERT INTO sign_in (id, grant_id, mailbox_id, link, user_code, device_code,
                                  poll_seconds, expires_at, status, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', {now}) RETURNING *",
        ))
        .bind(id.as_str())
        .bind(new.grant.as_str())
        .bind(new.mailbox.as_str())
        .bind(&new.link)
        .bind(&new.user_code)
        .bind(
            self.vault()
                .seal_text(device_code_of(&id), &new.device_code)?,
        )
        .bind(new.poll_seconds)
        .bind(new.expires_at)
        .fetch_one(&mut *write)
        .await
        .map_err(|error| StoreError::from_insert(error, "this sign-in", "the mailbox"))?;
        write.commit().await?;
        read(&row).map(Begun::New)
    }

    /// The provider wants to be asked less often.
    pub async fn set_poll_seconds(&self, id: &SignInId, seconds: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE sign_in SET poll_seconds = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(seconds)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Somebody signed in: keeps the tokens (any text) until they are confirmed or proved, and
    /// drops the device code. False: the sign-in was not waiting any more.
    pub async fn hold_tokens(
        &self,
        id: &SignInId,
        next: SignInStatus,
        account: &str,
        tokens: &SecretString,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE sign_in SET status = $2, account = $3, tokens = $4, device_code = NULL
              WHERE id = $1 AND status = 'waiting'",
        )
        .bind(id.as_str())
        .bind(next.as_str())
        .bind(account)
        .bind(self.vault().seal_text(tokens_of(id), tokens)?)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// An admin confirmed the account: on to proving. False: nothing was awaiting that.
    pub async fn confirm_sign_in(&self, id: &SignInId) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE sign_in SET status = 'proving'
              WHERE id = $1 AND status = 'needs-confirmation'",
        )
        .bind(id.as_str())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Access is proved: pins the identity, saves the refresh token, clears trouble and ends the
    /// sign-in, all or nothing.
    pub async fn finish_sign_in(
        &self,
        id: &SignInId,
        finish: &Finish<'_>,
    ) -> Result<Finished, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "SELECT grant_.id, pinned_issuer, pinned_subject
               FROM grant_ JOIN sign_in ON sign_in.grant_id = grant_.id
              WHERE sign_in.id = $1 AND sign_in.status = 'proving'",
        )
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else {
            return Ok(Finished::Outdated);
        };
        if read_pin(&row)?.is_some_and(|pin| pin != *finish.pin) {
            return Ok(Finished::OtherIdentity);
        }
        let grant = GrantId::from(column::<&str>(&row, "id")?);
        let generation = self.sign_grant_in(&mut write, &grant, finish).await?;
        end(&mut write, id, SignInStatus::Done, finish.note).await?;
        write.commit().await?;
        Ok(Finished::Yes { generation })
    }

    /// Ends a pending sign-in without success. False: it had ended already.
    pub async fn fail_sign_in(&self, id: &SignInId, outcome: &str) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let ended = end(&mut write, id, SignInStatus::Failed, Some(outcome)).await?;
        write.commit().await?;
        Ok(ended)
    }

    async fn sign_grant_in(
        &self,
        write: &mut AnyConnection,
        grant: &GrantId,
        finish: &Finish<'_>,
    ) -> Result<i64, StoreError> {
        let row = sqlx::query(sql("UPDATE grant_
                SET pinned_issuer = $2, pinned_subject = $3, account = $4, refresh_token = $5,
                    previous_refresh_token = NULL, generation = generation + 1,
                    trouble = NULL, renewed_at = {now}
              WHERE id = $1 RETURNING generation"))
        .bind(grant.as_str())
        .bind(&finish.pin.issuer)
        .bind(&finish.pin.subject)
        .bind(finish.account)
        .bind(
            self.vault()
                .seal_text(current_of(grant), finish.refresh_token)?,
        )
        .fetch_one(write)
        .await?;
        column(&row, "generation")
    }
}

/// What is over: ended sign-ins, and codes that nobody used in time.
async fn forget_ended(write: &mut AnyConnection, grant: &GrantId) -> Result<(), StoreError> {
    sqlx::query(sql(
        "DELETE FROM sign_in
          WHERE grant_id = $1
            AND (status IN ('done', 'failed') OR (status = 'waiting' AND expires_at <= {now}))",
    ))
    .bind(grant.as_str())
    .execute(write)
    .await?;
    Ok(())
}

async fn pending(write: &mut AnyConnection, grant: &GrantId) -> Result<Option<SignIn>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM sign_in WHERE grant_id = $1 AND status NOT IN ('done', 'failed')",
    )
    .bind(grant.as_str())
    .fetch_optional(write)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Ends a pending sign-in; its secrets go.
async fn end(
    write: &mut AnyConnection,
    id: &SignInId,
    status: SignInStatus,
    outcome: Option<&str>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE sign_in SET status = $2, outcome = $3, device_code = NULL, tokens = NULL
          WHERE id = $1 AND status NOT IN ('done', 'failed')",
    )
    .bind(id.as_str())
    .bind(status.as_str())
    .bind(outcome)
    .execute(write)
    .await?;
    Ok(done.rows_affected() > 0)
}
