//! A control on a store of its own, and what all use cases share.

use std::sync::Arc;

use portreeve_auth::{GrantFor, Mailbox, NewGrant};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{Asker, Control, Progress, asker::own_uid, nearest, open};
use crate::config::{Config, Overrides};

/// A control without a daemon; nothing that it does reaches a network.
pub(super) async fn control() -> (TempDir, Control) {
    with_file("").await
}

/// The same with a configuration file.
pub(super) async fn with_file(toml: &str) -> (TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portreeve.toml");
    std::fs::write(&file, toml).unwrap();
    let overrides = Overrides {
        state_dir: Some(folder.path().join("state")),
        ..Overrides::default()
    };
    let config = Config::load(Some(&file), &overrides).unwrap();
    let opened = open(config).await.unwrap();
    (folder, opened.control)
}

/// Somebody who asks.
pub(super) fn asker() -> (Asker, mpsc::Receiver<Progress>) {
    Asker::command_line(7)
}

/// A mailbox that nobody has signed in yet.
pub(super) async fn mailbox(control: &Control, address: &str) -> Arc<Mailbox> {
    let grant = NewGrant {
        provider: "exchange-online".into(),
        tenant: Some("contoso.com".into()),
        client_id: Some("client".into()),
        expected_account: address.into(),
    };
    control
        .gate
        .add_mailbox(address, &GrantFor::New(grant))
        .await
        .unwrap()
}

/// The newest lines of the audit trail: action, subject, detail.
pub(super) async fn trail(control: &Control) -> Vec<(String, String, String)> {
    let records = control.store.audit_trail(100).await.unwrap();
    assert!(records.iter().all(|record| record.actor == "cli uid 7"));
    records
        .into_iter()
        .map(|r| (r.action, r.subject, r.detail))
        .collect()
}

#[tokio::test]
async fn the_own_user_id_is_that_of_files_made_now() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(own_uid().unwrap(), folder.path().metadata().unwrap().uid());
}

#[test]
fn the_nearest_name_is_near_or_none() {
    let known = || ["scans@contoso.com", "fax@contoso.com"].into_iter();
    assert_eq!(
        nearest("Scan@contoso.com", known()),
        Some("scans@contoso.com")
    );
    assert_eq!(nearest("fxa@contoso.com", known()), Some("fax@contoso.com"));
    assert_eq!(nearest("ann@fabrikam.com", known()), None);
    assert_eq!(nearest("ab", ["xy"].into_iter()), None);
}
