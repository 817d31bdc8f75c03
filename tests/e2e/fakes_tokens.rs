//! Tokens: when they are renewed, and what happens when that fails.

use crate::support::{MAILBOX, eventually, imap_answer};
use portreeve_tests::{
    fakes::{Call, Fault},
    harness::{Device, World},
};
use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

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
            .map(|_| scope.spawn(move || imap_answer(world, device)))
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
        assert!(imap_answer(&world, &device).starts_with("a OK"));
        world.entra.count(Call::Refresh) > before
    });
}

#[test]
fn a_store_that_cannot_be_written_costs_nobody_the_mail() {
    let (mut world, device) = without_token();
    world.entra.single_use_refresh_tokens(true);
    let database = world.portreeve.folder().join("state/portreeve.db");
    assert!(database.is_file(), "{}", database.display());
    let locker = Locker::hold(&database);
    assert!(imap_answer(&world, &device).starts_with("a OK"));
    eventually("the mailbox is red", || world.state(MAILBOX) == "unsaved");
    drop(locker);
    eventually("the pair is saved", || world.state(MAILBOX) == "works");
    world.portreeve.kill();
    world.portreeve.start_again();
    assert!(imap_answer(&world, &device).starts_with("a OK"));
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
            let answer = imap_answer(&world, &device);
            assert!(
                answer.starts_with("a NO [UNAVAILABLE]"),
                "{fault:?}: {answer}"
            );
        }
        let asked = world.entra.count(Call::Refresh) - before;
        assert!(asked <= 4, "{asked} requests for five logins");
        world.entra.calm();
        eventually("the mailbox works again", || {
            imap_answer(&world, &device).starts_with("a OK")
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
            let answer = imap_answer(&world, &device);
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
fn a_refresh_token_is_kept_when_no_new_one_comes() {
    let (mut world, device) = without_token();
    world.entra.rotate(false);
    for _ in 0..2 {
        assert!(imap_answer(&world, &device).starts_with("a OK"));
        world.restart();
    }
    assert!(imap_answer(&world, &device).starts_with("a OK"));
}

#[test]
fn a_rotated_refresh_token_survives_a_crash() {
    let (mut world, device) = without_token();
    world.entra.single_use_refresh_tokens(true);
    for _ in 0..3 {
        assert!(imap_answer(&world, &device).starts_with("a OK"));
        world.portreeve.kill();
        world.portreeve.start_again();
    }
    assert!(imap_answer(&world, &device).starts_with("a OK"));
    assert_eq!(world.state(MAILBOX), "works");
}
