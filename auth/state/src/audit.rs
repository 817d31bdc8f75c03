//! The audit trail: who did what to what. Lines are added and read, never changed or removed.

use sqlx::any::AnyRow;

use crate::sql::{column, sql};
use crate::{Millis, Store, StoreError};

/// A line to be added. Never with a secret in it.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// Who did it: a person, `daemon`, a device.
    pub actor: &'a str,
    /// What was done, as `mailbox.add`.
    pub action: &'a str,
    /// To what, in the words an admin knows.
    pub subject: &'a str,
    /// Anything else worth knowing.
    pub detail: &'a str,
}

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts up; a gap means that lines were taken out.
    pub number: i64,
    /// When.
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Anything else.
    pub detail: String,
}

impl Store {
    /// Adds a line.
    pub async fn audit(&self, entry: AuditEntry<'_>) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(sql("INSERT INTO audit (at, actor, action, subject, detail)
             VALUES ({now}, $1, $2, $3, $4)"))
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject)
        .bind(entry.detail)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// The newest lines, newest first.
    pub async fn audit_trail(&self, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY number DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        number: column(row, "number")?,
        at: column(row, "at")?,
        actor: column(row, "actor")?,
        action: column(row, "action")?,
        subject: column(row, "subject")?,
        detail: column(row, "detail")?,
    })
}
