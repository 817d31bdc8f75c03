//! The store: one embedded database, opened once, with one writer and a few readers.
//!
//! Every write is one transaction that has the only writing connection, so a compare-and-set
//! never meets another. What is committed is on the disk (`synchronous=FULL`). The operations
//! live beside their tables.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row, Transaction};

use crate::folder::Folder;
use crate::sql::{column, sql};
use crate::vault::{self, DerivedKey, KeyId, KeySource, Place, Vault};
use crate::{OpenError, StoreError, migrations};

const DATABASE_FILE: &str = "portreeve.db";
/// Reads are rare and short: start, command line, pages.
const READERS: u32 = 4;
/// How long a caller waits for its turn before it hears that the database is busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every connection. The folder is locked, so only a foreign tool can make us wait.
const SETUP: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;";
const READ_ONLY: &str = "PRAGMA query_only = ON;";
const WRITE_AHEAD: &str = "PRAGMA journal_mode = WAL;";
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
const CHECK_TEXT: &[u8] = b"portreeve";

/// An open store. Cloning is cheap; the state folder is unlocked when the last clone goes.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

// Connections before the folder: the lock must outlive them.
struct Inner {
    writer: AnyPool,
    readers: AnyPool,
    vault: Vault,
    _folder: Folder,
}

impl Store {
    /// Locks the folder, brings the schema up to date and checks the vault key.
    ///
    /// Makes folder, database and key if this is the first start.
    pub async fn open(folder: &Path, key: &KeySource) -> Result<Self, OpenError> {
        let folder = Folder::lock(folder)?;
        let database = folder.private_file(DATABASE_FILE)?;
        let options = connect_options(&database)?;
        let vault = prepare(&options, key, &folder).await?;
        Ok(Self(Arc::new(Inner {
            writer: writer(options.clone()),
            readers: readers(options),
            vault,
            _folder: folder,
        })))
    }

    /// Closes the database in order. Without it nothing is lost; the next start takes a little longer.
    pub async fn close(self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// The id of the master key, for logs and `check`.
    pub fn key_id(&self) -> KeyId {
        self.0.vault.key_id()
    }

    /// A key of its own for another purpose; the same label always gives the same key.
    pub fn derive_key(&self, label: &str) -> DerivedKey {
        self.0.vault.derive_key(label)
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub(crate) fn reader(&self) -> &AnyPool {
        &self.0.readers
    }

    /// Begins a write. Dropped without a commit, it leaves no trace.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.0.writer.begin_with(BEGIN_WRITE).await?)
    }
}

fn connect_options(database: &Path) -> Result<AnyConnectOptions, OpenError> {
    let path = database.to_str().ok_or_else(|| OpenError::Path {
        path: database.to_owned(),
    })?;
    sqlx::any::install_default_drivers();
    let options: AnyConnectOptions = format!("sqlite://{}?mode=rw", encode(path)).parse()?;
    Ok(options.disable_statement_logging())
}

/// Percent-encodes what has a meaning in a URL.
fn encode(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                url.push(char::from(byte));
            }
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// What a start does, on a connection of its own: a pool would try again instead of saying why.
async fn prepare(
    options: &AnyConnectOptions,
    key: &KeySource,
    folder: &Folder,
) -> Result<Vault, OpenError> {
    let mut connection = options.connect().await?;
    connection.execute(SETUP).await?;
    connection.execute(WRITE_AHEAD).await?;
    migrations::run(&mut connection).await?;
    let vault = open_vault(&mut connection, key, folder).await?;
    connection.close().await?;
    Ok(vault)
}

fn writer(options: AnyConnectOptions) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SETUP).await?;
                Ok(())
            })
        })
        .after_release(|connection, _| Box::pin(is_clean(connection)))
        .connect_lazy_with(options)
}

/// A full disk makes SQLite roll back by itself, and the driver keeps believing in its
/// transaction. Such a connection is replaced.
async fn is_clean(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // The roll-back of a dropped transaction is queued before this.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn readers(options: AnyConnectOptions) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SETUP).await?;
                connection.execute(READ_ONLY).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Loads the master key and holds it against the check value; a new store gets its first.
async fn open_vault(
    connection: &mut AnyConnection,
    source: &KeySource,
    folder: &Folder,
) -> Result<Vault, OpenError> {
    let mut write = connection.begin_with(BEGIN_WRITE).await?;
    let row = sqlx::query("SELECT key_id, check_value FROM vault")
        .fetch_optional(&mut *write)
        .await?;
    let expected = row.as_ref().map(stored_key_id).transpose()?;
    let vault = Vault::new(vault::load_or_make(source, folder, expected)?);
    let id = vault.key_id().to_string();
    let place = check_place(&id);
    if let Some(row) = row {
        vault.open(place, &column::<Vec<u8>>(&row, "check_value")?)?;
        return Ok(vault);
    }
    let sealed = vault.seal(place, CHECK_TEXT)?;
    sqlx::query(sql(
        "INSERT INTO vault (key_id, check_value, created_at) VALUES ($1, $2, {now})",
    ))
    .bind(id)
    .bind(sealed)
    .execute(&mut *write)
    .await?;
    write.commit().await?;
    Ok(vault)
}

fn stored_key_id(row: &sqlx::any::AnyRow) -> Result<KeyId, StoreError> {
    let text: String = row.try_get("key_id")?;
    KeyId::parse(&text).ok_or_else(|| StoreError::Corrupt("the id of the vault key".into()))
}

fn check_place(key_id: &str) -> Place<'_> {
    Place {
        table: "vault",
        column: "check_value",
        row: key_id,
    }
}
