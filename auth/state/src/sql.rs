//! Small helpers that all tables use: one SQL text for every database, and reading of rows.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Decode, Row, Type};

use crate::StoreError;

/// The database's clock in epoch milliseconds; the only thing that differs between databases.
const NOW_SQLITE: &str = "CAST(round(unixepoch('now', 'subsec') * 1000) AS BIGINT)";

/// A statement of ours, its `{now}` replaced. Takes only text written in this crate.
pub(crate) fn sql(text: &'static str) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.replace("{now}", NOW_SQLITE))
}

/// A column of a row.
pub(crate) fn column<'r, T>(row: &'r AnyRow, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Any> + Type<Any>,
{
    Ok(row.try_get(name)?)
}

/// What makes addresses and logins equal: Unicode lower case, the same as in memory.
pub(crate) fn fold_case(text: &str) -> String {
    text.to_lowercase()
}

/// Writes a list or a small structure as JSON text.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::Corrupt("a value cannot be written as JSON".into()))
}

/// Reads JSON text back; `what` names the column.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|_| StoreError::Corrupt(format!("{what} holds no valid JSON")))
}
