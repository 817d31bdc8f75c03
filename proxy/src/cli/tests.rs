//! The command line as typed, and what `--help` shows.

use clap::{CommandFactory as _, Parser as _};

use super::args::{Arguments, Command, DeviceCommand, MailboxCommand};

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once(&"portreeve").chain(line))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn commands_of_the_issue() {
    for line in [
        &["run"][..],
        &["run", "--lan", "--log-wire"],
        &["--config", "p.toml", "--state-dir", "/tmp/x", "check"],
        &["check", "--config", "p.toml"],
        &["reload"],
        &["status", "--json"],
        &["ca", "export", "--out", "ca.cer", "--der"],
        &[
            "mailbox",
            "add",
            "a@b.c",
            "--tenant",
            "t",
            "--client-id",
            "c",
        ],
        &[
            "mailbox",
            "add",
            "a@b.c",
            "--signed-in-as",
            "d@b.c",
            "--no-wait",
        ],
        &["mailbox", "list", "--json"],
        &["mailbox", "show", "a@b.c", "--json"],
        &["mailbox", "sign-in", "a@b.c", "--json"],
        &["mailbox", "confirm", "a@b.c", "--accept-account", "d@b.c"],
        &["mailbox", "confirm", "a@b.c", "--decline"],
        &["mailbox", "remove", "a@b.c", "--yes", "--json"],
        &["mailbox", "test", "a@b.c", "--json"],
        &[
            "device",
            "add",
            "Scanner 2nd floor",
            "--mailbox",
            "a@b.c",
            "--mailbox",
            "d@b.c",
        ],
        &[
            "device",
            "add",
            "X",
            "--mailbox",
            "a@b.c",
            "--login",
            "x",
            "--password-stdin",
        ],
        &[
            "device",
            "add",
            "X",
            "--mailbox",
            "a@b.c",
            "--no-password",
            "--networks",
            "10.0.0.1,10.0.0.2",
        ],
        &[
            "device",
            "add",
            "X",
            "--mailbox",
            "a@b.c",
            "--protocols",
            "smtp,imap",
        ],
        &["device", "add", "--csv", "devices.csv"],
        &["device", "list", "--json"],
        &["device", "show", "x"],
        &["device", "new-password", "x", "--password-stdin"],
        &["device", "remove", "x"],
        &["device", "disable", "x"],
        &["device", "enable", "x"],
    ] {
        if let Err(error) = parse(line) {
            panic!("{line:?}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for line in [
        &[][..],
        &["device", "add", "X"],
        &["device", "add", "--mailbox", "a@b.c"],
        &["device", "add", "X", "--csv", "f"],
        &["device", "add", "--csv", "f", "--no-password"],
        &["device", "add", "X", "--mailbox", "a@b.c", "--no-password"],
        &[
            "device",
            "add",
            "X",
            "--mailbox",
            "a@b.c",
            "--no-password",
            "--password-stdin",
            "--networks",
            "10.0.0.1",
        ],
        &["mailbox", "confirm", "a@b.c"],
        &[
            "mailbox",
            "confirm",
            "a@b.c",
            "--accept-account",
            "x",
            "--decline",
        ],
        &["mailbox", "add"],
        &["ca"],
    ] {
        assert!(parse(line).is_err(), "{line:?}");
    }
}

#[test]
fn lists_are_separated_by_commas() {
    let line = [
        "device",
        "add",
        "X",
        "--mailbox",
        "a@b.c",
        "--networks",
        "10.0.0.1,10.0.0.2",
    ];
    let Command::Device(DeviceCommand::Add(add)) = parse(&line).unwrap().command else {
        panic!("another command");
    };
    assert_eq!(add.networks, ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn every_command_has_a_sentence_and_no_line_is_too_long_for_a_terminal() {
    fn visit(command: &mut clap::Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        let help = command.render_help().to_string();
        for line in help.lines() {
            assert!(
                line.chars().count() <= 100,
                "{}: {line}",
                command.get_name()
            );
        }
        for sub in command.get_subcommands_mut() {
            visit(sub);
        }
    }
    visit(&mut Arguments::command());
}

#[test]
fn exit_codes_are_in_the_help() {
    let help = Arguments::command().render_help().to_string();
    for code in [
        super::exit::DONE,
        super::exit::FAILED,
        super::exit::USAGE,
        super::exit::UNREACHABLE,
        super::exit::UNFINISHED,
    ] {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn waiting_is_the_default() {
    let Command::Mailbox(MailboxCommand::Add(add)) =
        parse(&["mailbox", "add", "a@b.c"]).unwrap().command
    else {
        panic!("another command");
    };
    assert!(!add.wait.no_wait && add.wait.accept_account.is_none());
}
