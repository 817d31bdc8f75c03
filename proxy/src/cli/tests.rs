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

/// The commands that a page tells people to type.
fn typed(page: &str) -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let in_code = text
        .split('`')
        .map(str::trim)
        .filter(|code| !code.contains('\n'));
    let commands = text.lines().map(str::trim).chain(in_code);
    let commands = commands.filter_map(|line| {
        line.strip_prefix("target/release/")
            .unwrap_or(line)
            .strip_prefix("portreeve ")
    });
    commands
        .filter(|line| !line.contains('…'))
        .map(words)
        .collect()
}

/// Words as a shell splits them; `<what people fill in>` is one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut closing) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (letter, closing) {
            ('"', None) => closing = Some('"'),
            ('<', None) => closing = Some('>'),
            (letter, Some(end)) if letter == end => closing = None,
            (' ', None) => words.push(std::mem::take(&mut word)),
            (letter, _) => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_pages_tell_people_to_type_what_can_be_typed() {
    let mut seen = 0;
    for page in ["README.md", "docs/entra-app.md"] {
        for command in typed(page) {
            let line: Vec<&str> = command.iter().map(String::as_str).collect();
            // Mentioned by name only: `portreeve mailbox add`.
            if line.len() < 3 && !matches!(line[0], "run" | "check" | "reload" | "status") {
                continue;
            }
            if let Err(error) = parse(&line) {
                panic!("{page}: portreeve {}\n{error}", command.join(" "));
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} commands");
}
