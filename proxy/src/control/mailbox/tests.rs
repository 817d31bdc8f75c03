//! Mailboxes on a real store; what needs a sign-in service is tested end to end.

use std::time::UNIX_EPOCH;

use portreeve_auth::{Grant, GrantId, Health, NewGrant, Reason, ReasonKind};

use super::{
    super::{
        device,
        tests::{asker, control, mailbox, trail, with_file},
    },
    join::{new_grant, serves},
    view::state,
    *,
};
use crate::control::{Fault, sign_in::Stage};

fn wanted(address: &str) -> Add {
    Add {
        address: address.into(),
        provider: None,
        tenant: None,
        client_id: None,
        signed_in_as: None,
    }
}

#[tokio::test]
async fn without_a_client_id_the_admin_learns_what_to_do() {
    let (_folder, control) = control().await;
    let (asker, _heard) = asker();
    let failure = add(&control, wanted("scans@contoso.com"), &asker)
        .await
        .unwrap_err();
    assert_eq!(failure.fault, Fault::Configuration);
    for words in [
        "1. ",
        "2. ",
        "3. ",
        "docs/entra-app.md",
        "portreeve mailbox add scans@contoso.com --tenant TENANT --client-id ID",
    ] {
        assert!(failure.message.contains(words), "{words}: {failure}");
    }
    assert!(list(&control, List {}, &asker).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_leaves_nothing_behind() {
    // Port 1 on loopback: nobody listens there.
    let (_folder, control) = with_file(
        "[provider.exchange-online]\n\
         client-id = \"c\"\n\
         device-authorization-endpoint = \"http://127.0.0.1:1/devicecode\"\n\
         token-endpoint = \"http://127.0.0.1:1/token\"\n",
    )
    .await;
    let (asker, _heard) = asker();
    let failure = add(&control, wanted("scans@contoso.com"), &asker)
        .await
        .unwrap_err();
    assert!(
        failure
            .message
            .contains("scans@contoso.com cannot be signed in"),
        "{failure}"
    );
    assert!(list(&control, List {}, &asker).await.unwrap().is_empty());
    assert!(control.store.grants().await.unwrap().is_empty());
    assert!(trail(&control).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    for (wrong, words) in [
        (wanted("scans"), "not an e-mail address"),
        (wanted("SCANS@contoso.com"), "is there already"),
        (
            Add {
                provider: Some("hotmail".into()),
                ..wanted("a@b.c")
            },
            "There is no provider `hotmail`",
        ),
        (
            Add {
                client_id: Some("a b".into()),
                ..wanted("a@b.c")
            },
            "neither an id nor a domain",
        ),
        (
            Add {
                tenant: Some("../x".into()),
                client_id: Some("c".into()),
                ..wanted("a@b.c")
            },
            "neither an id nor a domain",
        ),
        (
            Add {
                signed_in_as: Some("ann".into()),
                ..wanted("a@b.c")
            },
            "not an e-mail address",
        ),
    ] {
        let failure = add(&control, wrong, &asker).await.unwrap_err();
        assert_eq!(failure.fault, Fault::Request);
        assert!(failure.message.contains(words), "{failure}");
    }
    let failure = show(
        &control,
        Show {
            mailbox: "scan@contoso.com".into(),
        },
        &asker,
    )
    .await
    .unwrap_err();
    assert!(failure.message.contains("did you mean scans@contoso.com?"));
}

#[tokio::test]
async fn client_and_tenant_are_remembered_and_a_delegates_grant_is_found() {
    let (_folder, control) = control().await;
    mailbox(&control, "ann@contoso.com").await;
    let grants = control.store.grants().await.unwrap();
    let request = Add {
        signed_in_as: Some("Ann@contoso.com".into()),
        ..wanted("fax@contoso.com")
    };
    let new = new_grant(&control, &request, "Ann@contoso.com", &grants).unwrap();
    assert_eq!(new.client_id.as_deref(), Some("client"));
    assert_eq!(new.tenant.as_deref(), Some("contoso.com"));
    assert!(serves(&grants[0], &new, false));
    let other = NewGrant {
        tenant: Some("fabrikam.com".into()),
        ..new.clone()
    };
    assert!(!serves(&grants[0], &other, false));
    assert!(serves(&grants[0], &other, true));
    let other = NewGrant {
        expected_account: "bob@contoso.com".into(),
        ..new
    };
    assert!(!serves(&grants[0], &other, true));
}

#[tokio::test]
async fn removal_says_what_becomes_of_devices_and_sign_in() {
    let (_folder, control) = control().await;
    let scans = mailbox(&control, "scans@contoso.com").await;
    let shared = GrantFor::Shared(scans.grant.clone());
    control
        .gate
        .add_mailbox("fax@contoso.com", &shared)
        .await
        .unwrap();
    let (asker, _heard) = asker();
    for (name, mailboxes) in [
        ("One", vec!["scans@contoso.com"]),
        ("Two", vec!["fax@contoso.com", "scans@contoso.com"]),
    ] {
        let device = device::Add {
            name: name.into(),
            mailboxes: mailboxes.into_iter().map(str::to_owned).collect(),
            login: None,
            secret: device::Secret::Generate,
            networks: Vec::new(),
            protocols: Vec::new(),
        };
        device::add(&control, device, &asker).await.unwrap();
    }
    let shown = show(
        &control,
        Show {
            mailbox: "scans@contoso.com".into(),
        },
        &asker,
    )
    .await
    .unwrap();
    assert_eq!(shown.devices, ["One", "Two"]);
    assert_eq!(shown.shares_sign_in_with, ["fax@contoso.com"]);
    assert_eq!(shown.state.kind, "sign-in-needed");

    let request = Remove {
        mailbox: "scans@contoso.com".into(),
    };
    let removed = remove(&control, request, &asker).await.unwrap();
    assert!(removed.sign_in_kept);
    assert_eq!(removed.devices_without_mailbox, ["One"]);
    let request = Remove {
        mailbox: "fax@contoso.com".into(),
    };
    assert!(
        !remove(&control, request, &asker)
            .await
            .unwrap()
            .sign_in_kept
    );
    assert_eq!(trail(&control).await[0].0, "mailbox.remove");
}

#[tokio::test]
async fn a_test_without_a_token_says_why() {
    let (_folder, control) = control().await;
    mailbox(&control, "scans@contoso.com").await;
    let (asker, _heard) = asker();
    let tested = test(
        &control,
        Test {
            mailbox: "scans@contoso.com".into(),
        },
        &asker,
    )
    .await
    .unwrap();
    assert!(!tested.works() && !tested.has_token && tested.protocols.is_empty());
    assert!(
        tested.token.starts_with("No token for scans@contoso.com: "),
        "{}",
        tested.token
    );
}

#[test]
fn states_in_words() {
    let grant = Grant {
        id: GrantId::random(),
        provider: "exchange-online".into(),
        tenant: None,
        client_id: None,
        expected_account: "scans@contoso.com".into(),
        pin: None,
        account: None,
        generation: 0,
        signed_in: false,
        trouble: None,
        renewed_at: None,
        created_at: 0,
    };
    let sign_in = |stage| SignInView {
        mailbox: String::new(),
        expected: String::new(),
        stage,
    };
    let waiting = sign_in(Stage::Waiting {
        link: "l".into(),
        code: "FXLMB3C4X".into(),
        expires_at: 0,
    });
    let mut reason = Reason::new(
        ReasonKind::BlockedByPolicy,
        "A policy blocks device code flow. Exclude this account.",
    );
    reason.code = Some(53003);
    let trouble = |reason: &Reason| Health::Trouble {
        since: UNIX_EPOCH,
        reason: reason.clone(),
    };
    let needs = |words: &str| Health::NeedsSignIn {
        since: UNIX_EPOCH,
        reason: Reason::new(ReasonKind::NeedsSignIn, words),
    };
    for (health, sign_in, kind, words) in [
        (Health::Works { expires_at: None }, None, "works", "works"),
        (
            Health::Works { expires_at: None },
            Some(&waiting),
            "works",
            "works",
        ),
        (
            Health::NotSignedIn,
            None,
            "sign-in-needed",
            "sign in needed: nobody has signed in yet",
        ),
        (
            Health::NotSignedIn,
            Some(&waiting),
            "waiting",
            "waiting for sign-in (code FXLMB3C4X)",
        ),
        (
            needs("The password was changed."),
            Some(&waiting),
            "waiting",
            "waiting for sign-in (code FXLMB3C4X)",
        ),
        (
            needs("The password was changed."),
            None,
            "sign-in-needed",
            "sign in needed: The password was changed",
        ),
    ] {
        let state = state(&health, sign_in, &grant);
        assert_eq!((state.kind.as_str(), state.words.as_str()), (kind, words));
    }
    let blocked = state(&trouble(&reason), None, &grant);
    assert_eq!(blocked.kind, "blocked");
    assert!(
        blocked
            .words
            .starts_with("blocked: A policy blocks device code flow."),
        "{}",
        blocked.words
    );
    assert_eq!((blocked.code, blocked.since), (Some(53003), Some(0)));
}
