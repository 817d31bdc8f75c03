//! What the rest of the program does with the store, step by step.

use std::slice::from_ref;

use super::*;
use crate::*;

fn new_device(login: &str, password: Password) -> NewDevice {
    NewDevice {
        name: "Scanner 2nd floor".into(),
        login: login.into(),
        password,
        networks: vec!["10.0.0.0/8".into()],
        protocols: vec!["smtp".into()],
    }
}

#[tokio::test]
async fn mailboxes_are_found_without_case_and_not_added_twice() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let made = mailbox(&store, "Scans@Contoso.com").await;
    let found = store.mailbox_by_address("scans@contoso.COM").await.unwrap();
    assert_eq!(found, Some(made.clone()));
    assert_eq!(store.mailbox(&made.id).await.unwrap(), Some(made.clone()));
    let again = store
        .add_mailbox("SCANS@contoso.com", &own_grant("x"))
        .await
        .unwrap_err();
    assert!(matches!(again, StoreError::Exists("this mailbox")));
    // The grant of the second attempt went with it.
    assert_eq!(store.grants().await.unwrap().len(), 1);
    let stranger = GrantFor::Shared(GrantId::random());
    let error = store.add_mailbox("other@contoso.com", &stranger).await;
    assert!(matches!(error, Err(StoreError::NotFound("the grant"))));
}

#[tokio::test]
async fn a_shared_grant_goes_with_its_last_mailbox() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let first = mailbox(&store, "a@contoso.com").await;
    let shared = GrantFor::Shared(first.grant.clone());
    let second = store.add_mailbox("b@contoso.com", &shared).await.unwrap();
    let removed = store.remove_mailbox(&first.id).await.unwrap();
    assert!(!removed.grant_removed);
    assert!(store.grant(&first.grant).await.unwrap().is_some());
    let removed = store.remove_mailbox(&second.id).await.unwrap();
    assert!(removed.grant_removed);
    assert!(store.grants().await.unwrap().is_empty());
    let again = store.remove_mailbox(&second.id).await;
    assert!(matches!(again, Err(StoreError::NotFound("the mailbox"))));
}

#[tokio::test]
async fn a_mailbox_moves_to_another_grant_and_keeps_its_devices() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let (a, b) = (mailbox(&store, "a@x").await, mailbox(&store, "b@x").await);
    let new = new_device("scanner", Password::None);
    store.add_device(&new, from_ref(&a.id)).await.unwrap();
    let moved = store
        .move_mailbox(&a.id, &GrantFor::Shared(b.grant.clone()))
        .await
        .unwrap();
    assert_eq!(moved.grant, b.grant);
    assert!(store.grant(&a.grant).await.unwrap().is_none());
    assert_eq!(store.bindings().await.unwrap().len(), 1);
    // To the same grant: nothing is lost.
    store
        .move_mailbox(&a.id, &GrantFor::Shared(b.grant.clone()))
        .await
        .unwrap();
    store.move_mailbox(&a.id, &own_grant("c@x")).await.unwrap();
    assert_eq!(store.grants().await.unwrap().len(), 2);
    let nowhere = GrantFor::Shared(GrantId::random());
    let error = store.move_mailbox(&a.id, &nowhere).await;
    assert!(matches!(error, Err(StoreError::NotFound("the grant"))));
}

#[tokio::test]
async fn devices_come_back_as_they_were_made() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let (a, b) = (mailbox(&store, "a@x").await, mailbox(&store, "b@x").await);
    let new = new_device("Scanner-2", Password::Generated([7; 32]));
    let device = store
        .add_device(&new, &[b.id.clone(), a.id.clone()])
        .await
        .unwrap();
    assert!(device.enabled && device.networks == ["10.0.0.0/8"] && device.protocols == ["smtp"]);
    let order: Vec<_> = store.bindings().await.unwrap();
    assert_eq!([&order[0].mailbox, &order[1].mailbox], [&b.id, &a.id]);

    let twice = store
        .add_device(&new_device("SCANNER-2", Password::None), &[])
        .await;
    assert!(matches!(twice, Err(StoreError::Exists(_))));
    let unbound = store
        .add_device(&new_device("other", Password::None), &[MailboxId::random()])
        .await;
    assert!(matches!(unbound, Err(StoreError::NotFound(_))));
    assert_eq!(store.devices().await.unwrap().len(), 1);

    store.set_enabled(&device.id, false).await.unwrap();
    let chosen = Password::Chosen("$argon2id$x".into());
    store.set_password(&device.id, &chosen).await.unwrap();
    store.bind(&device.id, from_ref(&a.id)).await.unwrap();
    let found = store.device_by_login("scanner-2").await.unwrap().unwrap();
    assert!(!found.enabled && found.password == chosen);
    store.remove_mailbox(&a.id).await.unwrap();
    assert!(store.bindings().await.unwrap().is_empty());
    store.remove_device(&device.id).await.unwrap();
    assert!(store.device(&device.id).await.unwrap().is_none());
    let gone = store.set_enabled(&device.id, true).await;
    assert!(matches!(gone, Err(StoreError::NotFound("the device"))));
}

fn new_sign_in(mailbox: &Mailbox, code: &str) -> NewSignIn {
    NewSignIn {
        grant: mailbox.grant.clone(),
        mailbox: mailbox.id.clone(),
        link: "https://microsoft.com/devicelogin".into(),
        user_code: "ABCD1234".into(),
        device_code: secret(code),
        poll_seconds: 5,
        expires_at: i64::MAX,
    }
}

async fn begin(store: &Store, new: &NewSignIn) -> SignIn {
    match store.begin_sign_in(new).await.unwrap() {
        Begun::New(sign_in) => sign_in,
        Begun::Pending(other) => panic!("{other:?} was pending"),
    }
}

#[tokio::test]
async fn a_sign_in_from_the_code_to_the_token() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let mailbox = mailbox(&store, "a@contoso.com").await;
    let sign_in = begin(&store, &new_sign_in(&mailbox, "device-code")).await;
    let second = store
        .begin_sign_in(&new_sign_in(&mailbox, "other"))
        .await
        .unwrap();
    assert!(matches!(second, Begun::Pending(pending) if pending.id == sign_in.id));
    assert_eq!(
        plain(store.device_code(&sign_in.id).await.unwrap()).unwrap(),
        "device-code"
    );
    store.set_poll_seconds(&sign_in.id, 10).await.unwrap();

    let hold = |next| {
        let (store, id) = (store.clone(), sign_in.id.clone());
        async move {
            store
                .hold_tokens(&id, next, "b@contoso.com", &secret("{}"))
                .await
                .unwrap()
        }
    };
    assert!(hold(SignInStatus::NeedsConfirmation).await);
    assert!(
        !hold(SignInStatus::Proving).await,
        "it was not waiting any more"
    );
    assert!(store.device_code(&sign_in.id).await.unwrap().is_none());
    assert_eq!(
        plain(store.held_tokens(&sign_in.id).await.unwrap()).unwrap(),
        "{}"
    );

    let pin = Pin {
        issuer: "tid".into(),
        subject: "oid".into(),
    };
    let token = secret("refresh-1");
    let finish = Finish {
        pin: &pin,
        account: "b@contoso.com",
        refresh_token: &token,
        note: Some("signed in as b@contoso.com"),
    };
    let early = store.finish_sign_in(&sign_in.id, &finish).await.unwrap();
    assert_eq!(early, Finished::Outdated, "not confirmed yet");
    assert!(store.confirm_sign_in(&sign_in.id).await.unwrap());
    assert!(!store.confirm_sign_in(&sign_in.id).await.unwrap());
    let done = store.finish_sign_in(&sign_in.id, &finish).await.unwrap();
    assert_eq!(done, Finished::Yes { generation: 1 });

    let grant = store.grant(&mailbox.grant).await.unwrap().unwrap();
    assert!(grant.signed_in && grant.renewed_at.is_some());
    assert_eq!(grant.pin, Some(pin));
    let ended = store.last_sign_in(&mailbox.grant).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.poll_seconds), (SignInStatus::Done, 10));
    assert!(store.held_tokens(&sign_in.id).await.unwrap().is_none());
    assert!(store.pending_sign_ins().await.unwrap().is_empty());
    assert!(!store.fail_sign_in(&sign_in.id, "too late").await.unwrap());
}

#[tokio::test]
async fn nobody_else_may_sign_in_once_an_identity_is_pinned() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let mailbox = mailbox(&store, "a@contoso.com").await;
    for (subject, expected) in [
        ("oid-1", Finished::Yes { generation: 1 }),
        ("oid-2", Finished::OtherIdentity),
        ("oid-1", Finished::Yes { generation: 2 }),
    ] {
        let sign_in = begin(&store, &new_sign_in(&mailbox, "code")).await;
        let token = secret("token");
        store
            .hold_tokens(&sign_in.id, SignInStatus::Proving, "a@contoso.com", &token)
            .await
            .unwrap();
        let pin = Pin {
            issuer: "tid".into(),
            subject: subject.into(),
        };
        let finish = Finish {
            pin: &pin,
            account: "a",
            refresh_token: &token,
            note: None,
        };
        let finished = store.finish_sign_in(&sign_in.id, &finish).await.unwrap();
        assert_eq!(finished, expected);
        store
            .fail_sign_in(&sign_in.id, "wrong account")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_code_that_nobody_used_in_time_does_not_block_the_next() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let mailbox = mailbox(&store, "a@contoso.com").await;
    let late = NewSignIn {
        expires_at: 1,
        ..new_sign_in(&mailbox, "late")
    };
    let first = begin(&store, &late).await;
    let second = begin(&store, &new_sign_in(&mailbox, "new")).await;
    assert!(store.sign_in(&first.id).await.unwrap().is_none());
    assert_eq!(store.pending_sign_ins().await.unwrap()[0].id, second.id);
}

#[tokio::test]
async fn a_sign_in_outlives_its_mailbox_while_the_grant_is_used() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let first = mailbox(&store, "a@contoso.com").await;
    let shared = GrantFor::Shared(first.grant.clone());
    let second = store.add_mailbox("b@contoso.com", &shared).await.unwrap();
    let sign_in = begin(&store, &new_sign_in(&first, "code")).await;
    store.remove_mailbox(&first.id).await.unwrap();
    let left = store.sign_in(&sign_in.id).await.unwrap().unwrap();
    assert_eq!(left.mailbox, None);
    store.remove_mailbox(&second.id).await.unwrap();
    assert!(store.sign_in(&sign_in.id).await.unwrap().is_none());
}

#[tokio::test]
async fn settings_are_set_changed_and_removed() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(store.setting("a").await.unwrap(), None);
    for value in [Some("1"), Some("2"), None] {
        store.set_setting("a", value).await.unwrap();
        assert_eq!(store.setting("a").await.unwrap().as_deref(), value);
    }
}

#[tokio::test]
async fn the_audit_trail_is_append_only() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    for action in ["mailbox.add", "device.add"] {
        let entry = AuditEntry {
            actor: "admin",
            action,
            subject: "a@x",
            detail: "",
        };
        store.audit(entry).await.unwrap();
    }
    let trail = store.audit_trail(10).await.unwrap();
    assert_eq!(trail[0].action, "device.add");
    assert_eq!((trail[0].number, trail[1].number), (2, 1));
    assert!(trail[1].at > 1_700_000_000_000, "{}", trail[1].at);
    for statement in ["DELETE FROM audit", "UPDATE audit SET actor = 'x'"] {
        let mut write = store.write().await.unwrap();
        assert!(sqlx::query(statement).execute(&mut *write).await.is_err());
    }
    assert_eq!(store.audit_trail(10).await.unwrap().len(), 2);
}
