//! Stores of earlier versions, as they were written then.
//!
//! Each `golden/vN.sql` is a dump of a store of schema version N, sealed under [`KEY`]. It is
//! never written anew: it stands for the stores that people have.

use std::os::unix::fs::PermissionsExt;

use sqlx::{Connection, Executor};

use super::*;
use crate::{Password, SignInStatus, migrations};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const V1: &str = include_str!("golden/v1.sql");

async fn connect(folder: &Path) -> sqlx::AnyConnection {
    sqlx::any::install_default_drivers();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.join("portreeve.db").display()
    );
    sqlx::AnyConnection::connect(&url).await.unwrap()
}

async fn restore(dump: &'static str) -> (TempDir, KeySource) {
    let folder = folder();
    let mut connection = connect(folder.path()).await;
    connection.execute(sqlx::raw_sql(dump)).await.unwrap();
    connection.close().await.unwrap();
    let key = folder.path().join("credentials");
    std::fs::create_dir(&key).unwrap();
    std::fs::write(key.join("portreeve.key"), KEY).unwrap();
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(key.join("portreeve.key"), private).unwrap();
    let source = KeySource {
        credentials_folder: Some(key),
        ..KeySource::default()
    };
    (folder, source)
}

#[tokio::test]
async fn a_store_of_version_1_opens_with_everything_in_it() {
    let (folder, source) = restore(V1).await;
    let store = Store::open(folder.path(), &source).await.unwrap();
    assert_eq!(store.key_id().to_string(), "c83a331c2c37ae94");
    let mailbox = store
        .mailbox_by_address("scans@contoso.com")
        .await
        .unwrap()
        .unwrap();
    let tokens = store.refresh_tokens(&mailbox.grant).await.unwrap();
    assert_eq!(plain(tokens.current).unwrap(), "refresh token 2");
    assert_eq!(plain(tokens.previous).unwrap(), "refresh token 1");
    let device = store.device_by_login("scanner").await.unwrap().unwrap();
    assert_eq!(device.password, Password::Generated([7; 32]));
    let sign_in = store.pending_sign_ins().await.unwrap().remove(0);
    assert_eq!(sign_in.status, SignInStatus::Waiting);
    assert_eq!(
        plain(store.device_code(&sign_in.id).await.unwrap()).unwrap(),
        "device code"
    );
    assert_eq!(store.audit_trail(1).await.unwrap()[0].action, "device.add");
    // The device-password key must stay the same, or every printer would need a new password.
    let derived = store.derive_key("golden");
    assert_eq!(derived.expose_secret()[..4], [147, 76, 204, 151]);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone() {
    let (folder, source) = restore(V1).await;
    let newest = migrations::newest();
    let mut connection = connect(folder.path()).await;
    connection
        .execute(sqlx::AssertSqlSafe(format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ({}, 'later', 1, X'00', 0)",
            newest + 1
        )))
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = refused(Store::open(folder.path(), &source).await);
    assert!(
        matches!(error, OpenError::NewerSchema { store, program } if (store, program) == (newest + 1, newest)),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_of_another_build_is_left_alone() {
    let (folder, source) = restore(V1).await;
    let mut connection = connect(folder.path()).await;
    connection
        .execute("UPDATE _sqlx_migrations SET checksum = X'00'")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = refused(Store::open(folder.path(), &source).await);
    assert!(
        matches!(error, OpenError::ForeignSchema { version: 1 }),
        "{error}"
    );
}
