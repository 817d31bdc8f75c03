//! The steps from one schema version to the next, built into the program.
//!
//! A step that was released is never edited: the database remembers its checksum.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

use crate::OpenError;

const SQLITE: &[(i64, &str, &str)] = &[(
    1,
    "first",
    include_str!("../migrations/sqlite/0001_first.sql"),
)];

/// Brings the schema up to this program's version; each step is one transaction.
pub(crate) async fn run(connection: &mut AnyConnection) -> Result<(), OpenError> {
    // `run` borrows in a way that keeps the future on one thread; this is what it calls.
    migrator(SQLITE)
        .run_direct(None, connection, false)
        .await
        .map_err(|error| OpenError::from_migration(error, newest()))
}

/// The newest version that this program knows.
pub(crate) fn newest() -> i64 {
    SQLITE.last().map_or(0, |step| step.0)
}

fn migrator(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let steps = steps.iter().map(|&(version, name, sql)| {
        Migration::new(
            version,
            Cow::Borrowed(name),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}
