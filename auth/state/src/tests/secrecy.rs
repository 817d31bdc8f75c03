//! Nothing secret where it does not belong: files, Debug, errors, other rows.

use std::fmt::Debug;
use std::fs;
use std::slice::from_ref;

use super::*;
use crate::*;

const SECRET: &str = "0.AXsecretsecretsecret";

async fn filled(folder: &Path) -> (Store, Mailbox, SignIn, Device) {
    let store = open(folder).await.unwrap();
    let mailbox = mailbox(&store, "a@contoso.com").await;
    for generation in 0..2 {
        store
            .replace_refresh_token(&mailbox.grant, generation, &secret(SECRET))
            .await
            .unwrap();
    }
    let Begun::New(sign_in) = store.begin_sign_in(&new_sign_in(&mailbox)).await.unwrap() else {
        panic!("another sign-in was pending");
    };
    let device = NewDevice {
        name: "Scanner".into(),
        login: "scanner".into(),
        password: Password::Chosen(SECRET.into()),
        networks: Vec::new(),
        protocols: Vec::new(),
    };
    let device = store
        .add_device(&device, from_ref(&mailbox.id))
        .await
        .unwrap();
    (store, mailbox, sign_in, device)
}

fn new_sign_in(mailbox: &Mailbox) -> NewSignIn {
    NewSignIn {
        grant: mailbox.grant.clone(),
        mailbox: mailbox.id.clone(),
        link: "https://microsoft.com/devicelogin".into(),
        user_code: "ABCD1234".into(),
        device_code: secret(SECRET),
        poll_seconds: 5,
        expires_at: i64::MAX,
    }
}

#[tokio::test]
async fn the_files_hold_no_plain_secret() {
    let folder = folder();
    let (store, _, sign_in, _) = filled(folder.path()).await;
    let no_secret = || {
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = bytes
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    };
    no_secret();
    let tokens = secret(SECRET);
    store
        .hold_tokens(&sign_in.id, SignInStatus::Proving, "a", &tokens)
        .await
        .unwrap();
    no_secret();
    store.close().await;
    no_secret();
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let folder = folder();
    let (store, mailbox, sign_in, device) = filled(folder.path()).await;
    let pin = Pin {
        issuer: "tid".into(),
        subject: "oid".into(),
    };
    let token = secret(SECRET);
    let finish = Finish {
        pin: &pin,
        account: "a",
        refresh_token: &token,
        note: None,
    };
    let grant = store.grant(&mailbox.grant).await.unwrap();
    let tokens = store.refresh_tokens(&mailbox.grant).await.unwrap();
    let code = store.device_code(&sign_in.id).await.unwrap();
    let derived = store.derive_key("label");
    let generated = Password::Generated(*b"0.AXsecretsecretsecretsecretsecr");
    let new = new_sign_in(&mailbox);
    let all: [&dyn Debug; 10] = [
        &mailbox, &sign_in, &device, &finish, &grant, &tokens, &code, &derived, &generated, &new,
    ];
    for shown in all.map(|value| format!("{value:?}")) {
        assert!(!shown.contains("secretsecret"), "{shown}");
    }
    let shown = format!("{derived:?}");
    assert!(shown.contains("REDACTED"), "{shown}");
}

#[tokio::test]
async fn a_value_moved_to_another_row_or_column_does_not_open() {
    let folder = folder();
    let (store, first, ..) = filled(folder.path()).await;
    let second = mailbox(&store, "b@contoso.com").await;
    for swap in [
        "UPDATE grant_ SET refresh_token = (SELECT refresh_token FROM grant_ WHERE id = $1) WHERE id = $2",
        "UPDATE grant_ SET refresh_token = previous_refresh_token WHERE id = $1 AND id <> $2",
        "UPDATE grant_ SET refresh_token = X'00' WHERE id = $1 AND id <> $2",
    ] {
        let mut write = store.write().await.unwrap();
        sqlx::query(swap)
            .bind(first.grant.as_str())
            .bind(second.grant.as_str())
            .execute(&mut *write)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }
    for mailbox in [&first, &second] {
        let error = store.refresh_tokens(&mailbox.grant).await.unwrap_err();
        assert!(matches!(error, StoreError::Unsealable { .. }), "{error}");
        assert!(
            error.to_string().contains("grant_.refresh_token"),
            "{error}"
        );
    }
}
