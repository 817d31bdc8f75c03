//! Grants: one sign-in each, with its refresh token.
//!
//! A grant counts its refresh tokens: whoever saves a new one says which generation it was made
//! from, so that an older answer never overwrites a newer token. When a token was obtained and
//! when it is renewed is the caller's business.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::sql::{column, from_json, sql, to_json};
use crate::vault::Place;
use crate::{GrantId, Millis, Store, StoreError};

/// One sign-in, without its secrets.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The tenant, where it is not the provider's own.
    pub tenant: Option<String>,
    /// The client id, where it is not the provider's own.
    pub client_id: Option<String>,
    /// Who is expected to sign in.
    pub expected_account: String,
    /// Who did at the first time; nobody else may from then on.
    pub pin: Option<Pin>,
    /// The account name to show.
    pub account: Option<String>,
    /// How many refresh tokens were saved so far.
    pub generation: i64,
    /// Whether there is a refresh token.
    pub signed_in: bool,
    /// What is wrong, if anything.
    pub trouble: Option<Trouble>,
    /// When the refresh token was last obtained or confirmed.
    pub renewed_at: Option<Millis>,
    /// When the grant was made.
    pub created_at: Millis,
}

/// An identity that never changes: `tid` and `oid` at Entra, issuer and subject elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The tenant or issuer.
    pub issuer: String,
    /// The object id or subject.
    pub subject: String,
}

/// What is wrong with a grant; the words of whoever found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The kind, in a word of the caller's.
    pub class: String,
    /// The provider's error number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// One sentence that says what to do.
    pub advice: String,
    /// The provider's trace and correlation ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Since when.
    pub at: Millis,
}

/// A grant to be made.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The tenant, where it is not the provider's own.
    pub tenant: Option<String>,
    /// The client id, where it is not the provider's own.
    pub client_id: Option<String>,
    /// Who is expected to sign in.
    pub expected_account: String,
}

/// The refresh tokens of a grant. Debug shows no token.
#[derive(Debug)]
pub struct RefreshTokens {
    /// The generation of `current`, to be named when it is replaced.
    pub generation: i64,
    /// The token to use.
    pub current: Option<SecretString>,
    /// The one before, until `current` has been used.
    pub previous: Option<SecretString>,
}

/// Whether a compare-and-set took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It did; this is the generation now.
    Yes {
        /// The new generation.
        generation: i64,
    },
    /// Somebody was faster (or the grant is gone): the caller's token is the older one.
    Outdated,
}

impl Store {
    /// All grants, oldest first.
    pub async fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        let rows = sqlx::query("SELECT * FROM grant_ ORDER BY created_at, id")
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// One grant.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let row = sqlx::query("SELECT * FROM grant_ WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The tokens of a grant, opened.
    pub async fn refresh_tokens(&self, id: &GrantId) -> Result<RefreshTokens, StoreError> {
        let row = sqlx::query(TOKENS)
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or(NO_GRANT)?;
        self.open_tokens(id, &row)
    }

    /// Saves a new refresh token, made from the one of generation `expected`, which is kept as
    /// the previous one. Clears trouble.
    pub async fn replace_refresh_token(
        &self,
        id: &GrantId,
        expected: i64,
        new: &SecretString,
    ) -> Result<Saved, StoreError> {
        let mut write = self.write().await?;
        let Some(row) = sqlx::query(TOKENS)
            .bind(id.as_str())
            .fetch_optional(&mut *write)
            .await?
        else {
            return Ok(Saved::Outdated);
        };
        let old = self.open_tokens(id, &row)?;
        if old.generation != expected {
            return Ok(Saved::Outdated);
        }
        sqlx::query(sql("UPDATE grant_
                SET refresh_token = $2, previous_refresh_token = $3, generation = generation + 1,
                    trouble = NULL, renewed_at = {now}
              WHERE id = $1"))
        .bind(id.as_str())
        .bind(self.vault().seal_text(current_of(id), new)?)
        .bind(self.seal_previous(id, old.current.as_ref())?)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(Saved::Yes {
            generation: expected + 1,
        })
    }

    /// The current token worked and stays: the previous one goes, and so does trouble.
    pub async fn confirm_refresh_token(
        &self,
        id: &GrantId,
        expected: i64,
    ) -> Result<Saved, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(sql("UPDATE grant_
                SET previous_refresh_token = NULL, trouble = NULL, renewed_at = {now}
              WHERE id = $1 AND generation = $2"))
        .bind(id.as_str())
        .bind(expected)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(saved(done.rows_affected(), expected))
    }

    /// The current token was refused and there is a previous one: the two change places, both
    /// are kept, and the generation counts on.
    pub async fn swap_refresh_tokens(
        &self,
        id: &GrantId,
        expected: i64,
    ) -> Result<Saved, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(TOKENS)
            .bind(id.as_str())
            .fetch_optional(&mut *write)
            .await?
            .ok_or(NO_GRANT)?;
        let old = self.open_tokens(id, &row)?;
        let (Some(previous), true) = (&old.previous, old.generation == expected) else {
            return Ok(Saved::Outdated);
        };
        sqlx::query(
            "UPDATE grant_
                SET refresh_token = $2, previous_refresh_token = $3, generation = generation + 1
              WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(self.vault().seal_text(current_of(id), previous)?)
        .bind(self.seal_previous(id, old.current.as_ref())?)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(saved(1, expected + 1))
    }

    /// Notes what is wrong, unless a newer token arrived meanwhile. Tokens stay as they are.
    pub async fn set_trouble(
        &self,
        id: &GrantId,
        expected: i64,
        trouble: Option<&Trouble>,
    ) -> Result<Saved, StoreError> {
        let trouble = trouble.map(to_json).transpose()?;
        let mut write = self.write().await?;
        let done = sqlx::query("UPDATE grant_ SET trouble = $3 WHERE id = $1 AND generation = $2")
            .bind(id.as_str())
            .bind(expected)
            .bind(trouble)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(saved(done.rows_affected(), expected))
    }

    fn open_tokens(&self, id: &GrantId, row: &AnyRow) -> Result<RefreshTokens, StoreError> {
        let open = |place: Place<'_>| {
            self.vault()
                .open_optional(place, column(row, place.column)?)
        };
        Ok(RefreshTokens {
            generation: column(row, "generation")?,
            current: open(current_of(id))?,
            previous: open(previous_of(id))?,
        })
    }

    /// Sealed anew, because a sealed value is bound to its column.
    fn seal_previous(
        &self,
        id: &GrantId,
        token: Option<&SecretString>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        token
            .map(|token| self.vault().seal_text(previous_of(id), token))
            .transpose()
    }
}

const TOKENS: &str =
    "SELECT generation, refresh_token, previous_refresh_token FROM grant_ WHERE id = $1";
const NO_GRANT: StoreError = StoreError::NotFound("the grant");

/// Inserts a grant; part of adding a mailbox.
pub(crate) async fn insert(
    write: &mut AnyConnection,
    grant: &NewGrant,
) -> Result<GrantId, StoreError> {
    let id = GrantId::random();
    sqlx::query(sql(
        "INSERT INTO grant_ (id, provider, tenant, client_id, expected_account, created_at)
         VALUES ($1, $2, $3, $4, $5, {now})",
    ))
    .bind(id.as_str())
    .bind(&grant.provider)
    .bind(&grant.tenant)
    .bind(&grant.client_id)
    .bind(&grant.expected_account)
    .execute(write)
    .await?;
    Ok(id)
}

/// Deletes a grant that no mailbox uses any more, with its tokens and sign-ins.
pub(crate) async fn delete_unused(
    write: &mut AnyConnection,
    id: &GrantId,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "DELETE FROM grant_
          WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE grant_id = $1)",
    )
    .bind(id.as_str())
    .execute(write)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) fn current_of(id: &GrantId) -> Place<'_> {
    Place {
        table: "grant_",
        column: "refresh_token",
        row: id.as_str(),
    }
}

fn previous_of(id: &GrantId) -> Place<'_> {
    Place {
        table: "grant_",
        column: "previous_refresh_token",
        row: id.as_str(),
    }
}

fn saved(rows: u64, generation: i64) -> Saved {
    if rows == 0 {
        Saved::Outdated
    } else {
        Saved::Yes { generation }
    }
}

pub(crate) fn read(row: &AnyRow) -> Result<Grant, StoreError> {
    let trouble: Option<String> = column(row, "trouble")?;
    Ok(Grant {
        id: column::<&str>(row, "id")?.into(),
        provider: column(row, "provider")?,
        tenant: column(row, "tenant")?,
        client_id: column(row, "client_id")?,
        expected_account: column(row, "expected_account")?,
        pin: read_pin(row)?,
        account: column(row, "account")?,
        generation: column(row, "generation")?,
        signed_in: column::<Option<Vec<u8>>>(row, "refresh_token")?.is_some(),
        trouble: trouble
            .map(|text| from_json(&text, "grant_.trouble"))
            .transpose()?,
        renewed_at: column(row, "renewed_at")?,
        created_at: column(row, "created_at")?,
    })
}

pub(crate) fn read_pin(row: &AnyRow) -> Result<Option<Pin>, StoreError> {
    let issuer: Option<String> = column(row, "pinned_issuer")?;
    let subject: Option<String> = column(row, "pinned_subject")?;
    Ok(issuer
        .zip(subject)
        .map(|(issuer, subject)| Pin { issuer, subject }))
}
