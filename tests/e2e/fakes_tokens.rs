//! Tokens: when they are renewed, what happens when that fails, and how a mailbox is signed in.

use crate::support::{FRIEND, MAILBOX, eventually};
use portreeve_tests::{
    fakes::{Call, Entra, Fault, Protocol},
    harness::{Device, Said, World},
};
use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Tries to log in by IMAP; the tagged answer.
fn login(world: &World, device: &Device) -> String {
    let mut imap = world.portreeve.connect_tls("imaps");
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {}", device.plain()));
    let answer = imap.expect_until("a ").last();
    answer.lines().last().unwrap_or_default().to_owned()
}

/// A world whose daemon holds no access token: the next login has to ask for one.
fn without_token() -> (World, Device) {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.entra.next_calls(
        Call::Refresh,
        1000,
        &Fault::raw(500, "text/plain", "not yet"),
    );
    world.restart();
    world.entra.calm();
    (world, device)
}

#[test]
fn fifty_logins_at_once_make_one_request() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let before = world.entra.count(Call::Refresh);
    let slow = Fault::slow(Duration::from_secs(2));
    world.entra.next_calls(Call::Refresh, 1, &slow);
    world.restart();
    thread::scope(|scope| {
        let world = &world;
        let device = &device;
        let logins: Vec<_> = (0..50)
            .map(|_| scope.spawn(move || login(world, device)))
            .collect();
        for done in logins {
            assert!(done.join().unwrap().starts_with("a OK"));
        }
    });
    assert_eq!(world.entra.count(Call::Refresh), before + 1);
}

#[test]
fn one_token_serves_all_three_protocols() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    let before = world.entra.count(Call::Refresh);
    for _ in 0..3 {
        world.imap(&device);
        world.pop3(&device);
        let mut smtp = world.smtp(&device);
        smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    }
    assert_eq!(world.entra.count(Call::Refresh), before);
    assert_eq!(world.entra.count(Call::DeviceCode), 1);
}

#[test]
fn a_token_in_its_second_half_is_renewed_for_a_session() {
    let mut world = World::start();
    world.entra.token_lifetime(3);
    let device = world.sandboxed(MAILBOX);
    let before = world.entra.count(Call::Refresh);
    eventually("a session gets a fresh token", || {
        assert!(login(&world, &device).starts_with("a OK"));
        world.entra.count(Call::Refresh) > before
    });
}

#[test]
fn a_sign_in_service_with_tls_is_verified() {
    let mut world = World::around(Entra::start_https(), |setup| setup);
    let device = world.sandboxed(MAILBOX);
    assert!(login(&world, &device).starts_with("a OK"));
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

#[test]
fn a_store_that_cannot_be_written_costs_nobody_the_mail() {
    let (mut world, device) = without_token();
    world.entra.single_use_refresh_tokens(true);
    let database = world.portreeve.folder().join("state/portreeve.db");
    assert!(database.is_file(), "{}", database.display());
    let locker = Locker::hold(&database);
    assert!(login(&world, &device).starts_with("a OK"));
    eventually("the mailbox is red", || {
        world.portreeve.log().contains("saving")
    });
    drop(locker);
    eventually("the pair is saved", || world.state(MAILBOX) == "works");
    world.portreeve.kill();
    world.portreeve.start_again();
    assert!(login(&world, &device).starts_with("a OK"));
}

/// Somebody else who writes into the database and does not end.
struct Locker(Child);

impl Locker {
    fn hold(database: &Path) -> Self {
        let program = "import sqlite3, sys; \
            c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30); \
            c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut held = [0; 4];
        let out = child.stdout.as_mut().expect("its output");
        out.read_exact(&mut held).expect("the lock");
        Self(child)
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn trouble_at_the_sign_in_service_is_temporary_and_is_not_hammered() {
    for fault in [
        Fault::raw(503, "text/html", "<html>Service unavailable</html>").header("Retry-After", "1"),
        Fault::aadsts(
            400,
            "temporarily_unavailable",
            90033,
            "A transient error has occurred.",
        ),
        Fault::oauth(429, "invalid_request").header("Retry-After", "1"),
        Fault::close(),
    ] {
        let (world, device) = without_token();
        let before = world.entra.count(Call::Refresh);
        world.entra.next_calls(Call::Refresh, 1000, &fault);
        for _ in 0..5 {
            let answer = login(&world, &device);
            assert!(
                answer.starts_with("a NO [UNAVAILABLE]"),
                "{fault:?}: {answer}"
            );
        }
        let asked = world.entra.count(Call::Refresh) - before;
        assert!(asked <= 4, "{asked} requests for five logins");
        world.entra.calm();
        eventually("the mailbox works again", || {
            login(&world, &device).starts_with("a OK")
        });
    }
}

#[test]
fn what_only_a_person_can_mend_is_told_once_and_not_asked_again() {
    for (error, code, text, status, kind) in [
        (
            "invalid_grant",
            50173,
            "The provided grant has expired due to it being revoked.",
            400,
            "sign-in-needed",
        ),
        (
            "interaction_required",
            50076,
            "You must use multi-factor authentication.",
            400,
            "sign-in-needed",
        ),
        (
            "invalid_grant",
            70043,
            "The refresh token has expired due to sign-in frequency.",
            400,
            "sign-in-needed",
        ),
        (
            "invalid_grant",
            530_036,
            "Device code flow is blocked by policy.",
            400,
            "blocked",
        ),
        (
            "invalid_client",
            7_000_222,
            "The provided client secret keys are expired.",
            401,
            "admin-must-fix",
        ),
    ] {
        let (world, device) = without_token();
        let before = world.entra.count(Call::Refresh);
        world.entra.next_calls(
            Call::Refresh,
            1000,
            &Fault::aadsts(status, error, code, text),
        );
        for _ in 0..5 {
            let answer = login(&world, &device);
            assert!(
                answer.starts_with("a NO [CONTACTADMIN]"),
                "{code}: {answer}"
            );
        }
        assert!(world.entra.count(Call::Refresh) - before <= 2, "{code}");
        assert_eq!(world.state(MAILBOX), kind, "{code}");
        let shown = world
            .portreeve
            .cli(&["mailbox", "show", MAILBOX, "--json"])
            .ok()
            .json();
        assert_eq!(shown["state"]["code"], code);
    }
}

#[test]
fn a_new_sign_in_heals_a_revoked_mailbox() {
    let mut world = World::start();
    let device = world.sandboxed(MAILBOX);
    world.entra.revoke(MAILBOX);
    assert!(login(&world, &device).starts_with("a NO [CONTACTADMIN]"));
    assert_eq!(world.state(MAILBOX), "sign-in-needed");
    world.entra.approve_all(MAILBOX);
    world.portreeve.cli(&["mailbox", "sign-in", MAILBOX]).ok();
    assert!(login(&world, &device).starts_with("a OK"));
    assert_eq!(world.state(MAILBOX), "works");
}

#[test]
fn a_refresh_token_is_kept_when_no_new_one_comes() {
    let (mut world, device) = without_token();
    world.entra.rotate(false);
    for _ in 0..2 {
        assert!(login(&world, &device).starts_with("a OK"));
        world.restart();
    }
    assert!(login(&world, &device).starts_with("a OK"));
}

#[test]
fn a_rotated_refresh_token_survives_a_crash() {
    let (mut world, device) = without_token();
    world.entra.single_use_refresh_tokens(true);
    for _ in 0..3 {
        assert!(login(&world, &device).starts_with("a OK"));
        world.portreeve.kill();
        world.portreeve.start_again();
    }
    assert!(login(&world, &device).starts_with("a OK"));
    assert_eq!(world.state(MAILBOX), "works");
}

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
        assert!(login(&world, &device).starts_with("a NO [CONTACTADMIN]"));
    }
    world
        .portreeve
        .cli(&["mailbox", "sign-in", MAILBOX, "--no-wait"]);
    assert_eq!(world.entra.count(Call::DeviceCode), 1);
    assert_eq!(world.exchange.counts(Protocol::Imap).connections, 0);
    world.entra.approve_next(MAILBOX);
    eventually("the mailbox works", || world.state(MAILBOX) == "works");
    assert!(login(&world, &device).starts_with("a OK"));
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
        assert!(login(&world, &device).starts_with("a OK"));
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
        text.contains("did not open") && text.contains("not connected"),
        "{text}"
    );
}
