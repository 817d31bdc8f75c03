//! What an admin types: mailboxes, devices, checks.

use crate::support::{FRIEND, MAILBOX};
use portreeve_tests::{
    fakes::{Entra, Exchange, Protocol, Reaction, Stage},
    harness::{Client, Said, Setup, World, plain_response},
};
use std::{
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Whether this login is let in by IMAP.
fn is_let_in(world: &World, login: &str, password: &str) -> bool {
    let mut imap = world.portreeve.connect_tls("imaps");
    let response = plain_response(login, password);
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {response}"));
    imap.expect_until("a ").last().contains("a OK")
}

#[test]
fn a_first_start_needs_no_configuration_and_keeps_its_secrets_to_itself() {
    let setup = Setup::new();
    let folder = setup.folder().to_owned();
    let mut portreeve = setup.start();
    let pem = portreeve.ca_pem();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    portreeve.connect_tls("imaps").expect("* OK");
    let mut files = vec![folder.join("state")];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            files.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            seen += 1;
        }
        let mode = about.permissions().mode() & 0o777;
        // Certificates are for everybody; the folder around them is not.
        let is_public = fs::read(&path).is_ok_and(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE KEY")
        });
        assert!(
            is_public || mode.trailing_zeros() >= 6,
            "{} is open to others: {mode:o}",
            path.display()
        );
    }
    assert!(seen >= 3, "database, keys and certificates");
    portreeve.stop();
    portreeve.start_again();
    assert_eq!(portreeve.ca_pem(), pem, "the authority outlives a restart");
}

#[test]
fn a_mailbox_from_its_beginning_to_its_end() {
    let mut world = World::start();
    let said = world.sign_in(MAILBOX);
    assert!(
        said.text().contains("device add"),
        "the next command: {}",
        said.text()
    );
    let device = world.device("Scanner", MAILBOX, &[]);
    let list = world.portreeve.cli(&["mailbox", "list"]).ok();
    assert!(
        list.out.contains(MAILBOX) && list.out.contains("works"),
        "{}",
        list.out
    );
    let list = world
        .portreeve
        .cli(&["mailbox", "list", "--json"])
        .ok()
        .json();
    assert_eq!(list[0]["address"], MAILBOX);
    let show = world
        .portreeve
        .cli(&["mailbox", "show", &MAILBOX.to_uppercase()])
        .ok();
    assert!(show.out.contains("Scanner"), "{}", show.out);
    world.portreeve.cli(&["mailbox", "add", MAILBOX]).failed();

    let removed = world
        .portreeve
        .cli(&["mailbox", "remove", MAILBOX])
        .failed();
    assert!(removed.text().contains("--yes"), "{}", removed.text());
    world
        .portreeve
        .cli(&["mailbox", "remove", MAILBOX, "--yes"])
        .ok();
    assert!(!is_let_in(&world, &device.login, &device.password));
    world.portreeve.cli(&["mailbox", "show", MAILBOX]).failed();
}

#[test]
fn a_mailbox_test_tries_each_protocol_and_says_what_it_saw() {
    let world = World::start();
    world.sign_in(MAILBOX);
    let said = world.portreeve.cli(&["mailbox", "test", MAILBOX]).ok();
    for protocol in ["IMAP", "POP3", "SMTP"] {
        assert!(said.out.contains(protocol), "{}", said.out);
    }
    world
        .exchange
        .always(Protocol::Pop3, Stage::Login, Reaction::Refuse);
    let said = world.portreeve.cli(&["mailbox", "test", MAILBOX]).failed();
    assert!(
        said.out.contains("works") && said.out.contains("refused"),
        "{}",
        said.out
    );
}

#[test]
fn a_device_from_its_beginning_to_its_end() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    let said = world
        .portreeve
        .cli(&["device", "add", "Scanner 2nd floor", "--mailbox", MAILBOX]);
    let card = said.ok().out;
    for part in ["Host", "Port", "Encryption", "User name", "Password"] {
        assert!(card.contains(part), "{card}");
    }
    let shown = world
        .portreeve
        .cli(&["device", "show", "Scanner 2nd floor", "--json"])
        .ok();
    assert!(shown.json()["card"]["password"].is_null());
    let old = card_password(&card);
    let login = shown.json()["device"]["login"].as_str().unwrap().to_owned();
    assert!(is_let_in(&world, &login, &old));
    assert!(
        is_let_in(&world, &login.to_uppercase(), &old),
        "user names match without case"
    );

    let said = world
        .portreeve
        .cli(&["device", "new-password", &login, "--json"])
        .ok();
    let new = world.remember(&said);
    assert!(!is_let_in(&world, &login, &old));
    assert!(is_let_in(&world, &new.login, &new.password));
    let mut open = world.smtp(&new);
    world.portreeve.cli(&["device", "disable", &login]).ok();
    open.line(&format!("MAIL FROM:<{MAILBOX}>"))
        .expect("530 5.7.0");
    assert!(!is_let_in(&world, &login, &new.password));
    world.portreeve.cli(&["device", "enable", &login]).ok();
    assert!(is_let_in(&world, &login, &new.password));
    let list = world.portreeve.cli(&["device", "list"]).ok();
    assert!(list.out.contains("Scanner 2nd floor"), "{}", list.out);
    world.portreeve.cli(&["device", "remove", &login]).ok();
    assert!(!is_let_in(&world, &login, &new.password));
}

/// The password on a printed settings card.
fn card_password(card: &str) -> String {
    let line = card
        .lines()
        .find_map(|line| line.trim().strip_prefix("Password:"));
    line.expect("a password on the card").trim().to_owned()
}

#[test]
fn a_generated_password_can_be_typed_on_a_panel() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    let device = world.device("Scanner", MAILBOX, &[]);
    let typed: String = device.password.chars().filter(|c| *c != '-').collect();
    assert_eq!(typed.len(), 20, "{typed}");
    assert!(typed.chars().all(|c| c.is_ascii_alphanumeric()));
    assert!(
        !typed.contains(['0', 'O', '1', 'l', 'I']),
        "no look-alikes in {typed}"
    );
}

#[test]
fn a_device_keeps_its_password_and_its_limits() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    let address = world.device_with_password("Tickets", MAILBOX, MAILBOX, "ticket system 1");
    assert!(is_let_in(&world, &address.login, &address.password));
    let elsewhere = world.device("Elsewhere", MAILBOX, &["--networks", "192.0.2.0/24"]);
    assert!(!is_let_in(&world, &elsewhere.login, &elsewhere.password));
    let sender = world.device("Sender", MAILBOX, &["--protocols", "smtp"]);
    assert!(!is_let_in(&world, &sender.login, &sender.password));
    world.smtp(&sender);
    world
        .portreeve
        .cli(&["device", "add", "Ghost", "--mailbox", "ghost@contoso.com"])
        .failed();
    world
        .portreeve
        .cli(&[
            "device",
            "add",
            "X",
            "--mailbox",
            MAILBOX,
            "--networks",
            "nonsense",
        ])
        .failed();
    let twice = [
        "device",
        "add",
        "Again",
        "--mailbox",
        MAILBOX,
        "--login",
        MAILBOX,
    ];
    world.portreeve.cli(&twice).failed();
}

#[test]
fn devices_come_from_a_csv_file_all_or_none() {
    let mut world = World::start();
    world.sign_in(MAILBOX);
    world.sign_in(FRIEND);
    let file = world.portreeve.folder().join("devices.csv");
    let rows = format!(
        "name,login,password,mailbox,networks,protocols\n\
         Copier,copier,copier-password-1,{MAILBOX},,\n\
         Fax,,,{MAILBOX} {FRIEND},127.0.0.0/8,smtp;imap\n"
    );
    fs::write(&file, format!("{rows}Bad,bad,,nobody@contoso.com,,\n")).unwrap();
    let path = file.to_str().unwrap();
    let said = world
        .portreeve
        .cli(&["device", "add", "--csv", path])
        .failed();
    assert!(
        said.text().contains("nobody@contoso.com"),
        "{}",
        said.text()
    );
    assert!(
        !is_let_in(&world, "copier", "copier-password-1"),
        "nothing was added"
    );
    fs::write(&file, rows).unwrap();
    let said = world
        .portreeve
        .cli(&["device", "add", "--csv", path, "--json"])
        .ok()
        .json();
    assert!(is_let_in(&world, "copier", "copier-password-1"));
    world.portreeve.keep_secret("copier-password-1");
    let password = said[1]["password"].as_str().unwrap();
    world.portreeve.keep_secret(password);
    assert!(is_let_in(
        &world,
        said[1]["device"]["login"].as_str().unwrap(),
        password
    ));
}

#[test]
fn the_command_line_works_without_a_daemon() {
    let entra = Entra::start();
    let exchange = Exchange::start(&entra);
    let setup = Setup::new().fakes(&entra, &exchange);
    entra.approve_all(MAILBOX);
    setup.cli(&["mailbox", "add", MAILBOX]).ok();
    let card = setup
        .cli(&["device", "add", "Scanner", "--mailbox", MAILBOX, "--json"])
        .ok()
        .json();
    let list = setup.cli(&["mailbox", "list"]).ok();
    assert!(list.out.contains(MAILBOX), "{}", list.out);
    setup.cli(&["status"]).failed();
    let text = |key: &str| card["card"][key].as_str().unwrap().to_owned();
    let portreeve = setup.start();
    let mut imap = portreeve.connect_tls("imaps");
    let response = plain_response(&text("user"), &text("password"));
    imap.expect("* OK")
        .line(&format!("a AUTHENTICATE PLAIN {response}"))
        .expect_until("a OK");
}

#[test]
fn check_names_what_is_wrong_with_file_line_and_the_nearest_key() {
    let setup = Setup::new();
    let said = setup.cli(&["check"]);
    assert!(said.status.success(), "{}", said.text());
    let setup = setup.set("limits", "conections = 5");
    let said = setup.cli(&["check"]).failed();
    let text = said.text();
    assert!(
        text.contains("portreeve.toml:") && text.contains("connections"),
        "{text}"
    );
    setup.cli(&["run"]).failed();
    let setup = Setup::new().set("tls", "certificate = \"/nowhere/cert.pem\"");
    let said = setup
        .set("tls", "key = \"/nowhere/key.pem\"")
        .cli(&["check"])
        .failed();
    assert!(said.text().contains("/nowhere/"), "{}", said.text());
}

#[test]
fn status_tells_how_things_are() {
    let world = World::start();
    world.sign_in(MAILBOX);
    let status = world.portreeve.cli(&["status", "--json"]).ok().json();
    assert_eq!(status["listeners"].as_array().unwrap().len(), 6);
    let text = world.portreeve.cli(&["status"]).ok();
    assert!(text.out.contains("smtps"), "{}", text.out);
    let said: Said = world.portreeve.cli(&["nonsense"]).failed();
    assert_eq!(said.status.code(), Some(2));
}

#[test]
fn only_its_own_user_reaches_the_socket() {
    let world = World::start();
    let socket = find_socket(&world.portreeve.folder().join("state"));
    let mode = fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "{} is {mode:o}", socket.display());
    // Somebody who speaks nonsense to it does no harm.
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&[0xff; 4096]);
    drop(stream);
    world.portreeve.cli(&["status"]).ok();
    Client::connect(world.portreeve.smtp()).expect("220");
}

fn find_socket(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).expect("the state folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let is_socket = |path: &PathBuf| {
        let about = fs::symlink_metadata(path);
        about.is_ok_and(|about| about.file_type().is_socket())
    };
    paths.find(is_socket).expect("a socket in the state folder")
}
