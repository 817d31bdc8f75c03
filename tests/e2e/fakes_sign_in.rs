//! Signing a mailbox in: by whom, how it ends, what survives.

use crate::support::{FRIEND, MAILBOX, eventually, imap_answer};
use portreeve_tests::{
    fakes::{Call, Entra, Fault, Protocol},
    harness::{Said, World},
};
use std::time::{Duration, Instant};

#[test]
fn a_scope_that_entra_refuses_is_told_with_the_reason() {
    let world =
        World::with(|setup| setup.set("provider.exchange-online", "scopes = [\"Nonsense.Read\"]"));
    let said = world.portreeve.cli(&["mailbox", "add", MAILBOX]).failed();
    assert!(said.text().contains("70011"), "{}", said.text());
}

#[test]
fn slow_down_is_obeyed() {
    let world = World::start();
    world.entra.account(MAILBOX);
    world
        .entra
        .next_calls(Call::Poll, 1, &Fault::oauth(400, "slow_down"));
    let adding = world.portreeve.cli_start(&["mailbox", "add", MAILBOX]);
    world.entra.wait_for_calls(Call::Poll, 1);
    let began = Instant::now();
    world.entra.approve_next(MAILBOX);
    Said::of(adding).ok();
    assert!(
        began.elapsed() > Duration::from_millis(4500),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_sign_in_that_ends_badly_ends_with_a_sentence() {
    let world = World::start();
    for (command, word) in [("add", "declined"), ("sign-in", "expired")] {
        let adding = world.portreeve.cli_start(&["mailbox", command, MAILBOX]);
        let code = world.entra.wait_for_code();
        match word {
            "declined" => world.entra.decline(&code),
            _ => world.entra.expire_code(&code),
        }
        let said = Said::of(adding).failed();
        assert!(said.text().contains(word), "{}", said.text());
    }
    world
        .entra
        .next_calls(Call::Poll, 1, &Fault::oauth(400, "access_denied"));
    let said = world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX])
        .failed();
    assert!(said.text().contains("declined"), "{}", said.text());
    let blocked = Fault::aadsts(
        400,
        "invalid_grant",
        530_036,
        "Device code flow is blocked.",
    );
    world.entra.next_calls(Call::Poll, 1, &blocked);
    let said = world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX])
        .failed();
    assert!(said.text().contains("policy"), "{}", said.text());
    // And at last it works.
    world.entra.approve_all(MAILBOX);
    world.portreeve.cli(&["mailbox", "sign-in", MAILBOX]).ok();
}

#[test]
fn devices_that_wait_for_a_sign_in_cause_one_code() {
    let mut world = World::start();
    world
        .portreeve
        .cli(&["mailbox", "add", MAILBOX, "--no-wait"]);
    let device = world.device("Scanner", MAILBOX, &[]);
    for _ in 0..10 {
        assert!(imap_answer(&world, &device).starts_with("a NO [CONTACTADMIN]"));
    }
    world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX, "--no-wait"]);
    assert_eq!(world.entra.count(Call::DeviceCode), 1);
    assert_eq!(world.exchange.counts(Protocol::Imap).connections, 0);
    world.entra.approve_next(MAILBOX);
    eventually("the mailbox works", || world.state(MAILBOX) == "works");
    assert!(imap_answer(&world, &device).starts_with("a OK"));
}

#[test]
fn a_waiting_sign_in_survives_a_crash_with_the_same_code() {
    let mut world = World::start();
    world
        .portreeve
        .cli(&["mailbox", "add", MAILBOX, "--no-wait"]);
    let code = world.entra.wait_for_code();
    world.entra.wait_for_calls(Call::Poll, 1);
    world.portreeve.kill();
    world.portreeve.start_again();
    let shown = world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX, "--no-wait"]);
    assert!(shown.text().contains(&code), "{}", shown.text());
    world.entra.approve(&code, MAILBOX);
    eventually("the mailbox works", || world.state(MAILBOX) == "works");
    assert_eq!(world.entra.count(Call::DeviceCode), 1);
}

#[test]
fn another_account_has_to_be_accepted() {
    let world = World::start();
    world.exchange.mailbox(MAILBOX);
    world.exchange.grant(MAILBOX, FRIEND);
    world.entra.approve_all(FRIEND);
    let said = world.portreeve.cli(&["mailbox", "add", MAILBOX]).failed();
    assert!(said.text().contains(FRIEND), "{}", said.text());
    assert_ne!(world.state(MAILBOX), "works");
    world
        .portreeve
        .cli(&["mailbox", "confirm", MAILBOX, "--decline"]);
    assert_ne!(world.state(MAILBOX), "works");
    world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX, "--accept-account", FRIEND])
        .ok();
    assert_eq!(world.state(MAILBOX), "works");
    // From now on the account is pinned: the same name in another tenant is somebody else.
    world.entra.approve_all("stranger@contoso.com");
    world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX])
        .failed();
}

#[test]
fn a_delegate_serves_several_shared_mailboxes_with_one_sign_in() {
    let mut world = World::start();
    let shared = ["scans@contoso.com", "fax@contoso.com"];
    for mailbox in shared {
        world.exchange.mailbox(mailbox);
        world.exchange.grant(mailbox, "printsvc@contoso.com");
    }
    world.entra.approve_all("printsvc@contoso.com");
    for mailbox in shared {
        let add = [
            "mailbox",
            "add",
            mailbox,
            "--signed-in-as",
            "printsvc@contoso.com",
        ];
        world.portreeve.cli(&add).ok();
    }
    assert_eq!(world.entra.count(Call::DeviceCode), 1);
    for mailbox in shared {
        let device = world.device(&format!("Device of {mailbox}"), mailbox, &[]);
        assert!(imap_answer(&world, &device).starts_with("a OK"));
        assert_eq!(world.state(mailbox), "works");
    }
}

#[test]
fn an_account_without_rights_to_the_mailbox_does_not_pass_the_proof() {
    let world = World::start();
    world.exchange.mailbox(MAILBOX);
    world.entra.approve_all("printsvc@contoso.com");
    let add = [
        "mailbox",
        "add",
        MAILBOX,
        "--signed-in-as",
        "printsvc@contoso.com",
    ];
    let said = world.portreeve.cli(&add).ok();
    let text = said.text();
    assert!(
        text.contains("not been seen to work") && text.contains("not connected"),
        "{text}"
    );
}

#[test]
fn a_new_sign_in_heals_a_revoked_mailbox() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.entra.revoke(MAILBOX);
    assert!(imap_answer(&world, &device).starts_with("a NO [CONTACTADMIN]"));
    assert_eq!(world.state(MAILBOX), "sign-in-needed");
    world.entra.approve_all(MAILBOX);
    world.portreeve.cli(&["mailbox", "sign-in", MAILBOX]).ok();
    assert!(imap_answer(&world, &device).starts_with("a OK"));
    assert_eq!(world.state(MAILBOX), "works");
}

#[test]
fn a_sign_in_service_with_tls_is_verified() {
    let mut world = World::around(Entra::start_https(), |setup| setup);
    let device = world.sandboxed(MAILBOX);
    assert!(imap_answer(&world, &device).starts_with("a OK"));
    // The same without our authority among the trusted ones.
    let world = World::around(Entra::start_https(), |setup| setup.without("tls"));
    let said = world.portreeve.cli(&["mailbox", "add", MAILBOX]).failed();
    assert!(
        said.text().to_lowercase().contains("certificate"),
        "{}",
        said.text()
    );
    assert_eq!(world.entra.count(Call::DeviceCode), 0);
}
