//! Sign-ins under way: what is shown to the person, and what must survive a restart.
//!
//! A grant has at most one that is pending. Each step names the status it starts from, so that
//! two who act at once do not both go on. The protocol of a sign-in is not known here.

mod step;

use secrecy::SecretString;
use sqlx::any::AnyRow;

use crate::sql::column;
use crate::vault::Place;
use crate::{GrantId, MailboxId, Millis, SignInId, Store, StoreError};

pub use step::{Begun, Finish, Finished, NewSignIn};

/// One sign-in, without its secrets.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// The grant it is for.
    pub grant: GrantId,
    /// The mailbox it was begun for; none if that was removed and the grant serves others.
    pub mailbox: Option<MailboxId>,
    /// Where the person goes.
    pub link: String,
    /// What the person types there.
    pub user_code: String,
    /// Seconds between two questions to the provider.
    pub poll_seconds: i64,
    /// When the code ends.
    pub expires_at: Millis,
    /// How far it is.
    pub status: SignInStatus,
    /// Who signed in, once known.
    pub account: Option<String>,
    /// Why it failed, or a note; one sentence.
    pub outcome: Option<String>,
    /// When it was begun.
    pub created_at: Millis,
}

/// How far a sign-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInStatus {
    /// The person has not signed in yet.
    Waiting,
    /// Somebody else than expected did; an admin decides.
    NeedsConfirmation,
    /// The tokens are here; access is being proved.
    Proving,
    /// It worked.
    Done,
    /// It did not.
    Failed,
}

impl Store {
    /// One sign-in.
    pub async fn sign_in(&self, id: &SignInId) -> Result<Option<SignIn>, StoreError> {
        let row = sqlx::query("SELECT * FROM sign_in WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// All sign-ins that are neither done nor failed, oldest first.
    pub async fn pending_sign_ins(&self) -> Result<Vec<SignIn>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sign_in WHERE status NOT IN ('done', 'failed') ORDER BY created_at, id",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(read).collect()
    }

    /// The newest sign-in of a grant, pending or not.
    pub async fn last_sign_in(&self, grant: &GrantId) -> Result<Option<SignIn>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM sign_in WHERE grant_id = $1 ORDER BY created_at DESC, id LIMIT 1",
        )
        .bind(grant.as_str())
        .fetch_optional(self.reader())
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// What to ask the provider with; none when it is of no use any more.
    pub async fn device_code(&self, id: &SignInId) -> Result<Option<SecretString>, StoreError> {
        let row = sqlx::query("SELECT device_code FROM sign_in WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        let sealed = row.map(|row| column(&row, "device_code")).transpose()?;
        self.vault()
            .open_optional(device_code_of(id), sealed.flatten())
    }

    /// The tokens that were kept by [`Store::hold_tokens`].
    pub async fn held_tokens(&self, id: &SignInId) -> Result<Option<SecretString>, StoreError> {
        let row = sqlx::query("SELECT tokens FROM sign_in WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        let sealed = row.map(|row| column(&row, "tokens")).transpose()?;
        self.vault().open_optional(tokens_of(id), sealed.flatten())
    }
}

impl SignInStatus {
    const ALL: [Self; 5] = [
        Self::Waiting,
        Self::NeedsConfirmation,
        Self::Proving,
        Self::Done,
        Self::Failed,
    ];

    /// The status as the database writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NeedsConfirmation => "needs-confirmation",
            Self::Proving => "proving",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

fn device_code_of(id: &SignInId) -> Place<'_> {
    Place {
        table: "sign_in",
        column: "device_code",
        row: id.as_str(),
    }
}

fn tokens_of(id: &SignInId) -> Place<'_> {
    Place {
        table: "sign_in",
        column: "tokens",
        row: id.as_str(),
    }
}

fn read(row: &AnyRow) -> Result<SignIn, StoreError> {
    let status: &str = column(row, "status")?;
    Ok(SignIn {
        id: column::<&str>(row, "id")?.into(),
        grant: column::<&str>(row, "grant_id")?.into(),
        mailbox: column::<Option<&str>>(row, "mailbox_id")?.map(Into::into),
        link: column(row, "link")?,
        user_code: column(row, "user_code")?,
        poll_seconds: column(row, "poll_seconds")?,
        expires_at: column(row, "expires_at")?,
        status: SignInStatus::ALL
            .into_iter()
            .find(|known| known.as_str() == status)
            .ok_or_else(|| StoreError::Corrupt("sign_in.status".into()))?,
        account: column(row, "account")?,
        outcome: column(row, "outcome")?,
        created_at: column(row, "created_at")?,
    })
}
