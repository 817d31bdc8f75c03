//! What can go wrong, in words for the person who runs the machine.
//!
//! No variant ever carries a secret: SQL errors name tables and columns, never values.

use std::io;
use std::path::PathBuf;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

use crate::KeyId;

/// A read or write that failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller asked for something that exists already.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// The caller named a row that is not there (any more).
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// No room; the old values are intact.
    #[error("the disk with the state folder is full; nothing was changed, free some space")]
    DiskFull,
    /// The file system or the file forbids writing.
    #[error("the database cannot be written: the file or its file system is read-only")]
    ReadOnly,
    /// Another process holds the database in spite of the folder's lock.
    #[error("the database is busy: another program holds it (a backup, a database browser?)")]
    Busy,
    /// The file is damaged; the text says where.
    #[error("the database is damaged ({0}); restore the last backup of the state folder")]
    Corrupt(String),
    /// A sealed value does not open: it was changed, moved to another row, or sealed elsewhere.
    #[error("the sealed value {table}.{column} does not open: it was altered or belongs elsewhere")]
    Unsealable {
        /// The table of the value.
        table: &'static str,
        /// The column of the value.
        column: &'static str,
    },
    /// The disk or the file system failed.
    #[error("the disk failed while the database was in use: {0}")]
    Disk(String),
    /// The store was closed; the program is ending.
    #[error("the store is closed: the program is stopping")]
    Closed,
    /// Anything else the database says; our fault.
    #[error("the database refused a statement: {0}")]
    Database(String),
}

impl StoreError {
    /// Names what exists already or what a row points to, if that is what the database complains
    /// about.
    pub(crate) fn from_insert(
        error: sqlx::Error,
        exists: &'static str,
        missing: &'static str,
    ) -> Self {
        match kind(&error) {
            Some(ErrorKind::UniqueViolation) => Self::Exists(exists),
            Some(ErrorKind::ForeignKeyViolation) => Self::NotFound(missing),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => from_sqlite(
                database.code().and_then(|code| code.parse().ok()),
                database.message(),
            ),
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Io(io) => Self::Disk(io.to_string()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Corrupt(format!("column {index} holds a value of another type"))
            }
            _ => Self::Database(error.to_string()),
        }
    }
}

/// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
fn from_sqlite(code: Option<u32>, message: &str) -> StoreError {
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => StoreError::Busy,
        Some(8) => StoreError::ReadOnly,
        Some(10) => StoreError::Disk(message.to_owned()),
        Some(11 | 26) => StoreError::Corrupt(message.to_owned()),
        Some(13) => StoreError::DiskFull,
        _ => StoreError::Database(message.to_owned()),
    }
}

fn kind(error: &sqlx::Error) -> Option<ErrorKind> {
    error
        .as_database_error()
        .map(sqlx::error::DatabaseError::kind)
}

/// Why a store cannot be opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state folder cannot be made, read or written.
    #[error("{what} {path}: {error}", path = path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The path of the state folder is something else.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path in question.
        path: PathBuf,
    },
    /// The path of the state folder is not valid UTF-8.
    #[error("the path {} is not valid UTF-8; choose another state folder", path.display())]
    Path {
        /// The path in question.
        path: PathBuf,
    },
    /// Other users could plant files in the state folder.
    #[error("the state folder {} can be written by other users; run: chmod go-w {}", path.display(), path.display())]
    WritableByOthers {
        /// The folder in question.
        path: PathBuf,
    },
    /// Another process uses the state folder.
    #[error("the state folder {} is in use by {holder}; stop it or choose another --state-dir", path.display())]
    Locked {
        /// The folder in question.
        path: PathBuf,
        /// The other process, with its id where known.
        holder: String,
    },
    /// The vault key can be read by other users.
    #[error("the vault key {} can be read by other users; run: chmod 600 {}, and consider it known to them", path.display(), path.display())]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
    },
    /// The vault key file does not hold a key.
    #[error("the vault key {} must hold 64 hexadecimal digits, as `openssl rand -hex 32` prints them", path.display())]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The store was sealed with a key that is not here.
    #[error(
        "this store was sealed with vault key {expected}, and no key was found ({searched}); bring that key back, a new one cannot open it"
    )]
    KeyMissing {
        /// The id of the key that the store needs.
        expected: KeyId,
        /// Where a key was looked for.
        searched: String,
    },
    /// The store was sealed with another key.
    #[error("this store was sealed with vault key {expected}, but {} holds key {found}; bring the right key back", path.display())]
    WrongKey {
        /// The id of the key that the store needs.
        expected: KeyId,
        /// The id of the key that was found.
        found: KeyId,
        /// Where it was found.
        path: PathBuf,
    },
    /// A newer program wrote this store.
    #[error(
        "this store has schema version {store}, this program knows versions up to {program}; install the newer program again"
    )]
    NewerSchema {
        /// The store's version.
        store: i64,
        /// The newest version this program knows.
        program: i64,
    },
    /// The store was made by a different build whose schema history differs.
    #[error(
        "schema step {version} of this store differs from this program's; it was made by another build"
    )]
    ForeignSchema {
        /// The step that differs.
        version: i64,
    },
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    pub(crate) fn from_migration(error: MigrateError, newest: i64) -> Self {
        match error {
            MigrateError::VersionMissing(store) => Self::NewerSchema {
                store,
                program: newest,
            },
            MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
                Self::ForeignSchema { version }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                Self::Store(error.into())
            }
            other => Self::Store(StoreError::Database(other.to_string())),
        }
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
