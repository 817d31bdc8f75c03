//! Settings: small facts that outlive a restart and are not the operator's to decide.

use crate::sql::column;
use crate::{Store, StoreError};

impl Store {
    /// A setting's value.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| column(&row, "value")).transpose()
    }

    /// Sets a setting, or removes it.
    pub async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        match value {
            Some(value) => sqlx::query(
                "INSERT INTO setting (name, value) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name)
            .bind(value),
            None => sqlx::query("DELETE FROM setting WHERE name = $1").bind(name),
        }
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }
}
