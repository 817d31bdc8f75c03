//! The store as a whole, on real files.

mod flow;
mod golden;
mod opening;
mod secrecy;
mod tokens;

use std::path::Path;

use ::secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use crate::{GrantFor, KeySource, Mailbox, NewGrant, OpenError, Store};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(folder, &KeySource::default()).await
}

/// `expect_err` for a type without Debug.
fn refused(result: Result<Store, OpenError>) -> OpenError {
    result.err().expect("the store opened")
}

fn own_grant(account: &str) -> GrantFor {
    GrantFor::New(NewGrant {
        provider: "exchange-online".into(),
        tenant: Some("contoso.com".into()),
        client_id: None,
        expected_account: account.into(),
    })
}

async fn mailbox(store: &Store, address: &str) -> Mailbox {
    store
        .add_mailbox(address, &own_grant(address))
        .await
        .unwrap()
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn plain(secret: Option<SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}
