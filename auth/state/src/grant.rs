//! Grants: one sign-in each, with its refresh token.
//!
//! How a token is obtained and when it is renewed is the caller's business.

mod token;

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::sql::{column, from_json, sql, to_json};
use crate::{GrantId, Millis, Store, StoreError};

pub(crate) use token::current_of;
use token::saved;
pub use token::{RefreshTokens, Saved};

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
}

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

fn read(row: &AnyRow) -> Result<Grant, StoreError> {
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
