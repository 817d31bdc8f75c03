//! Mailboxes: an address, and the grant that opens it.
//!
//! A grant may serve several mailboxes (a delegate, a shared mailbox). It goes with the last one.

use sqlx::any::AnyRow;

use crate::grant::{delete_unused, insert as insert_grant};
use crate::sql::{column, fold_case, sql};
use crate::{GrantId, MailboxId, Millis, NewGrant, Store, StoreError};

/// One mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its id.
    pub id: MailboxId,
    /// Its address as it was typed; unique without case.
    pub address: String,
    /// The grant that opens it.
    pub grant: GrantId,
    /// The provider of that grant, which says where the mail is.
    pub provider: String,
    /// When it was added.
    pub created_at: Millis,
}

/// The grant of a mailbox to be added.
#[derive(Debug, Clone)]
pub enum GrantFor {
    /// One of its own.
    New(NewGrant),
    /// One that other mailboxes use already.
    Shared(GrantId),
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The mailbox that is gone.
    pub mailbox: Mailbox,
    /// Whether its grant went with it; false: other mailboxes still use it.
    pub grant_removed: bool,
}

macro_rules! mailboxes {
    ($which:literal) => {
        concat!(
            "SELECT *, (SELECT provider FROM grant_ WHERE id = grant_id) AS provider FROM mailbox ",
            $which
        )
    };
}

impl Store {
    /// All mailboxes, by address.
    pub async fn mailboxes(&self) -> Result<Vec<Mailbox>, StoreError> {
        let rows = sqlx::query(mailboxes!("ORDER BY address_key"))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// One mailbox.
    pub async fn mailbox(&self, id: &MailboxId) -> Result<Option<Mailbox>, StoreError> {
        let row = sqlx::query(mailboxes!("WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The mailbox with this address, without regard to case.
    pub async fn mailbox_by_address(&self, address: &str) -> Result<Option<Mailbox>, StoreError> {
        let row = sqlx::query(mailboxes!("WHERE address_key = $1"))
            .bind(fold_case(address))
            .fetch_optional(self.reader())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Adds a mailbox, and its grant if it is a new one.
    pub async fn add_mailbox(
        &self,
        address: &str,
        grant: &GrantFor,
    ) -> Result<Mailbox, StoreError> {
        let mut write = self.write().await?;
        let grant = match grant {
            GrantFor::New(grant) => insert_grant(&mut write, grant).await?,
            GrantFor::Shared(grant) => grant.clone(),
        };
        let row = sqlx::query(sql(
            "INSERT INTO mailbox (id, address, address_key, grant_id, created_at)
             VALUES ($1, $2, $3, $4, {now})
             RETURNING *, (SELECT provider FROM grant_ WHERE id = grant_id) AS provider",
        ))
        .bind(MailboxId::random().as_str())
        .bind(address)
        .bind(fold_case(address))
        .bind(grant.as_str())
        .fetch_one(&mut *write)
        .await
        .map_err(|error| StoreError::from_insert(error, "this mailbox", "the grant"))?;
        write.commit().await?;
        read(&row)
    }

    /// Removes a mailbox, its bindings, and its grant if no other mailbox uses it.
    pub async fn remove_mailbox(&self, id: &MailboxId) -> Result<Removed, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "DELETE FROM mailbox WHERE id = $1
             RETURNING *, (SELECT provider FROM grant_ WHERE id = grant_id) AS provider",
        )
            .bind(id.as_str())
            .fetch_optional(&mut *write)
            .await?
            .ok_or(StoreError::NotFound("the mailbox"))?;
        let mailbox = read(&row)?;
        let grant_removed = delete_unused(&mut write, &mailbox.grant).await?;
        write.commit().await?;
        Ok(Removed {
            mailbox,
            grant_removed,
        })
    }
}

fn read(row: &AnyRow) -> Result<Mailbox, StoreError> {
    Ok(Mailbox {
        id: column::<&str>(row, "id")?.into(),
        address: column(row, "address")?,
        grant: column::<&str>(row, "grant_id")?.into(),
        provider: column(row, "provider")?,
        created_at: column(row, "created_at")?,
    })
}
