//! Opening: first start, reopening, crashes, keys, locks, damage.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sqlx::Executor;

use super::*;
use crate::StoreError;

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What a power cut would leave of a store that is open.
fn crash(folder: &TempDir) -> TempDir {
    let after = super::folder();
    for name in ["portreeve.db", "portreeve.db-wal", "vault.key"] {
        let from = folder.path().join(name);
        if from.exists() {
            fs::copy(from, after.path().join(name)).unwrap();
        }
    }
    after
}

#[tokio::test]
async fn a_first_start_makes_everything_private() {
    let parent = folder();
    let path = parent.path().join("new/state ?#%ü");
    let store = open(&path).await.unwrap();
    mailbox(&store, "a@x").await;
    assert_eq!(mode(path.clone()), 0o700);
    assert_eq!(mode(parent.path().join("new")), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(entry.path()), 0o600, "{:?}", entry.file_name());
    }
    assert!(!path.join("vault.key.new").exists());
}

#[tokio::test]
async fn a_store_reopens_after_closing_and_after_dropping() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let (made, key) = (mailbox(&store, "a@x").await, store.key_id());
    store.close().await;
    let store = open(folder.path()).await.unwrap();
    assert_eq!(store.mailbox(&made.id).await.unwrap().as_ref(), Some(&made));
    drop(store);
    let store = open(folder.path()).await.unwrap();
    assert_eq!(store.mailboxes().await.unwrap(), [made]);
    assert_eq!(store.key_id(), key);
}

#[tokio::test]
async fn after_a_crash_there_is_what_was_committed_and_nothing_else() {
    let before = folder();
    let store = open(before.path()).await.unwrap();
    let made = mailbox(&store, "a@x").await;
    let mut unfinished = store.write().await.unwrap();
    sqlx::query("DELETE FROM mailbox")
        .execute(&mut *unfinished)
        .await
        .unwrap();
    let after = crash(&before);
    let survivor = open(after.path()).await.unwrap();
    assert_eq!(survivor.mailboxes().await.unwrap(), [made]);
}

#[tokio::test]
async fn a_crash_during_the_first_start_is_no_obstacle() {
    let first = folder();
    open(first.path()).await.unwrap().close().await;
    let key = fs::read(first.path().join("vault.key")).unwrap();

    // The key was written, the database was not.
    let second = folder();
    fs::write(second.path().join("vault.key"), &key).unwrap();
    set_mode(&second.path().join("vault.key"), 0o600);
    fs::write(second.path().join("vault.key.new"), b"half").unwrap();
    open(second.path()).await.unwrap();
    assert_eq!(fs::read(second.path().join("vault.key")).unwrap(), key);

    // The database was there, the key was not yet.
    let third = folder();
    fs::write(third.path().join("portreeve.db"), b"").unwrap();
    fs::write(third.path().join("vault.key.new"), b"half").unwrap();
    open(third.path()).await.unwrap();
}

#[tokio::test]
async fn a_second_opening_is_refused_and_names_the_first() {
    let folder = folder();
    let first = open(folder.path()).await.unwrap();
    let words = refused(open(folder.path()).await).to_string();
    let process = format!("process {}", std::process::id());
    assert!(
        words.contains("in use by") && words.contains(&process),
        "{words}"
    );
    drop(first);
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_others_can_write_is_refused() {
    let folder = folder();
    for mode in [0o770, 0o702] {
        set_mode(folder.path(), mode);
        let error = refused(open(folder.path()).await);
        assert!(
            matches!(error, OpenError::WritableByOthers { .. }),
            "{error}"
        );
    }
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = refused(open(&file).await);
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
}

#[tokio::test]
async fn a_database_that_others_could_read_is_tightened() {
    let folder = folder();
    open(folder.path()).await.unwrap().close().await;
    let database = folder.path().join("portreeve.db");
    set_mode(&database, 0o644);
    open(folder.path()).await.unwrap();
    assert_eq!(mode(database), 0o600);
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let folder = folder();
    open(folder.path()).await.unwrap().close().await;
    let key = folder.path().join("vault.key");
    for mode in [0o640, 0o604] {
        set_mode(&key, mode);
        let error = refused(open(folder.path()).await);
        assert!(matches!(error, OpenError::KeyReadableByOthers { .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[tokio::test]
async fn a_database_without_its_key_gets_no_new_one() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = store.key_id();
    let copy = crash(&folder);
    fs::remove_file(copy.path().join("vault.key")).unwrap();
    let error = refused(open(copy.path()).await);
    assert!(matches!(error, OpenError::KeyMissing { expected, .. } if expected == id));
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    assert!(!copy.path().join("vault.key").exists());
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_both_ids() {
    let (ours, theirs) = (folder(), folder());
    let mut ids = Vec::new();
    for folder in [&ours, &theirs] {
        let store = open(folder.path()).await.unwrap();
        ids.push(store.key_id().to_string());
        store.close().await;
    }
    let source = KeySource {
        configured: Some(theirs.path().join("vault.key")),
        ..KeySource::default()
    };
    let words = refused(Store::open(ours.path(), &source).await).to_string();
    assert!(ids.iter().all(|id| words.contains(id)), "{words}");
}

#[tokio::test]
async fn a_key_from_elsewhere_is_used_and_none_is_made_beside_it() {
    let keys = folder();
    let key = keys.path().join("portreeve.key");
    fs::write(&key, format!("{}\n", "0a".repeat(32))).unwrap();
    // As systemd shows a credential that an access list protects.
    set_mode(&key, 0o440);
    let credential = KeySource {
        credentials_folder: Some(keys.path().to_owned()),
        configured: Some("/nonexistent".into()),
        ..KeySource::default()
    };
    let configured = KeySource {
        credentials_folder: Some("/nonexistent".into()),
        configured: Some(key.clone()),
        environment: Some("/nonexistent".into()),
    };
    let environment = KeySource {
        environment: Some(key.clone()),
        ..KeySource::default()
    };
    let state = folder();
    for source in [credential, configured, environment] {
        let store = Store::open(state.path(), &source).await.unwrap();
        store.close().await;
        assert!(!state.path().join("vault.key").exists());
        set_mode(&key, 0o400);
    }
}

#[tokio::test]
async fn a_named_key_must_be_there_and_be_one() {
    let (keys, state) = (folder(), folder());
    let key = keys.path().join("key");
    let source = KeySource {
        configured: Some(key.clone()),
        ..KeySource::default()
    };
    let error = refused(Store::open(state.path(), &source).await);
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    for wrong in [
        "",
        "abc",
        &"0".repeat(63),
        &"g0".repeat(32),
        &"00".repeat(33),
        &"0".repeat(9999),
    ] {
        fs::write(&key, wrong).unwrap();
        set_mode(&key, 0o600);
        let error = refused(Store::open(state.path(), &source).await);
        assert!(matches!(error, OpenError::KeyMalformed { .. }), "{error}");
    }
}

#[tokio::test]
async fn damage_is_called_damage() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    mailbox(&store, "a@x").await;
    store.close().await;
    let database = folder.path().join("portreeve.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes[100..4096].fill(0xAA);
    fs::write(&database, &bytes).unwrap();
    let error = refused(open(folder.path()).await);
    assert!(
        matches!(error, OpenError::Store(StoreError::Corrupt(_))),
        "{error}"
    );
    fs::write(
        &database,
        b"this was never a database, whatever its name says",
    )
    .unwrap();
    let error = refused(open(folder.path()).await);
    assert!(
        matches!(error, OpenError::Store(StoreError::Corrupt(_))),
        "{error}"
    );
}

#[tokio::test]
async fn the_settings_that_durability_rests_on_are_on() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let mut writer = store.write().await.unwrap();
    let mut reader = store.reader().acquire().await.unwrap();
    for (pragma, value) in [
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("journal_mode", "wal"),
    ] {
        let ask = || {
            sqlx::AssertSqlSafe(format!(
                "SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"
            ))
        };
        for row in [
            writer.fetch_one(ask()).await.unwrap(),
            reader.fetch_one(ask()).await.unwrap(),
        ] {
            assert_eq!(sqlx::Row::get::<String, _>(&row, 0), value, "{pragma}");
        }
    }
    assert!(reader.execute("DELETE FROM setting").await.is_err());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let other = store.clone();
    store.close().await;
    assert!(matches!(other.mailboxes().await, Err(StoreError::Closed)));
    assert!(matches!(
        other.set_setting("a", None).await,
        Err(StoreError::Closed)
    ));
}

#[test]
fn work_on_a_store_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let source = KeySource::default();
    is_send(&Store::open(Path::new("x"), &source));
}
