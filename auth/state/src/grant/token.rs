//! The refresh tokens of a grant: replaced in order, and never lost on doubt.
//!
//! Each saved token has a generation. A writer names the one it started from, so that an older
//! answer never overwrites a newer token.

use secrecy::SecretString;
use sqlx::any::AnyRow;

use crate::sql::{column, sql};
use crate::vault::Place;
use crate::{GrantId, Store, StoreError};

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

pub(super) fn saved(rows: u64, generation: i64) -> Saved {
    if rows == 0 {
        Saved::Outdated
    } else {
        Saved::Yes { generation }
    }
}
