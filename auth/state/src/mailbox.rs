//! Mailboxes: an address, and the grant that opens it.
//!
//! A grant may serve several mailboxes (a delegate, a shared mailbox). It goes with the last one.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyExecutor};

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

/// Mailboxes with the provider of their grant.
macro_rules! mailboxes {
    ($which:literal) => {
        concat!(
            "SELECT mailbox.*, grant_.provider
               FROM mailbox JOIN grant_ ON grant_.id = mailbox.grant_id ",
            $which
        )
    };
}

impl Store {
    /// All mailboxes, by address.
    pub async fn mailboxes(&self) -> Result<Vec<Mailbox>, StoreError> {
        let rows = sqlx::query(mailboxes!("ORDER BY mailbox.address_key"))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }

    /// One mailbox.
    pub async fn mailbox(&self, id: &MailboxId) -> Result<Option<Mailbox>, StoreError> {
        find(self.reader(), id).await
    }

    /// The mailbox with this address, without regard to case.
    pub async fn mailbox_by_address(&self, address: &str) -> Result<Option<Mailbox>, StoreError> {
        let row = sqlx::query(mailboxes!("WHERE mailbox.address_key = $1"))
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
        let id = MailboxId::random();
        let mut write = self.write().await?;
        let grant = grant_for(&mut write, grant).await?;
        sqlx::query(sql(
            "INSERT INTO mailbox (id, address, address_key, grant_id, created_at)
             VALUES ($1, $2, $3, $4, {now})",
        ))
        .bind(id.as_str())
        .bind(address)
        .bind(fold_case(address))
        .bind(grant.as_str())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::from_insert(error, "this mailbox", "the grant"))?;
        let mailbox = find(&mut *write, &id).await?.ok_or(NO_MAILBOX)?;
        write.commit().await?;
        Ok(mailbox)
    }

    /// Gives a mailbox another grant, because somebody else shall sign in for it. Its bindings
    /// stay; the grant it had goes if no other mailbox uses it.
    pub async fn move_mailbox(
        &self,
        id: &MailboxId,
        grant: &GrantFor,
    ) -> Result<Mailbox, StoreError> {
        let mut write = self.write().await?;
        let before = find(&mut *write, id).await?.ok_or(NO_MAILBOX)?;
        let grant = grant_for(&mut write, grant).await?;
        sqlx::query("UPDATE mailbox SET grant_id = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(grant.as_str())
            .execute(&mut *write)
            .await
            .map_err(|error| StoreError::from_insert(error, "this mailbox", "the grant"))?;
        delete_unused(&mut write, &before.grant).await?;
        let after = find(&mut *write, id).await?.ok_or(NO_MAILBOX)?;
        write.commit().await?;
        Ok(after)
    }

    /// Removes a mailbox, its bindings, and its grant if no other mailbox uses it.
    pub async fn remove_mailbox(&self, id: &MailboxId) -> Result<Removed, StoreError> {
        let mut write = self.write().await?;
        let mailbox = find(&mut *write, id).await?.ok_or(NO_MAILBOX)?;
        sqlx::query("DELETE FROM mailbox WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        let grant_removed = delete_unused(&mut write, &mailbox.grant).await?;
        write.commit().await?;
        Ok(Removed {
            mailbox,
            grant_removed,
        })
    }
}

const NO_MAILBOX: StoreError = StoreError::NotFound("the mailbox");

async fn find<'e>(
    database: impl AnyExecutor<'e>,
    id: &MailboxId,
) -> Result<Option<Mailbox>, StoreError> {
    let row = sqlx::query(mailboxes!("WHERE mailbox.id = $1"))
        .bind(id.as_str())
        .fetch_optional(database)
        .await?;
    row.as_ref().map(read).transpose()
}

async fn grant_for(write: &mut AnyConnection, grant: &GrantFor) -> Result<GrantId, StoreError> {
    match grant {
        GrantFor::New(grant) => insert_grant(write, grant).await,
        GrantFor::Shared(grant) => Ok(grant.clone()),
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
