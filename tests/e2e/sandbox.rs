//! `cargo sandbox` does what it says.

use portreeve_tests::harness::portreeve_binary;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

fn sandbox(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(arguments)
        .env("PORTREEVE_BIN", portreeve_binary())
        .output()
        .expect("the sandbox");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn the_sandbox_sends_a_message_and_reads_it_back() {
    let (success, text) = sandbox(&["--once"]);
    assert!(success, "{text}");
    for part in [
        "swaks --server",
        "curl -sS",
        "python3 -c",
        "\"hello from the sandbox\"",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_sandbox_explains_itself() {
    assert!(sandbox(&["--help"]).1.contains("--by-hand"));
    let (success, text) = sandbox(&["--nonsense"]);
    assert!(!success && text.contains("--nonsense"), "{text}");
}

#[test]
fn what_the_sandbox_prints_can_be_pasted() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .env("PORTREEVE_BIN", portreeve_binary())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sandbox");
    let mut lines = BufReader::new(sandbox.stdout.take().expect("its output")).lines();
    let mut paste = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.starts_with("Waiting for messages") {
            break;
        }
        if ["  swaks ", "  printf ", "  python3 ", "  curl "]
            .iter()
            .any(|start| line.starts_with(start))
        {
            paste.push(line.trim().to_owned());
        }
    }
    assert_eq!(paste.len(), 4);
    for line in &paste {
        let output = Command::new("bash")
            .args(["-c", line])
            .output()
            .expect("bash");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{line}\n{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if line.starts_with("curl") {
            assert!(text.contains("* SEARCH 1 2 3"), "{text}");
        }
    }
    let arrived: Vec<_> = lines
        .by_ref()
        .map_while(Result::ok)
        .filter(|line| line.contains("octets"))
        .take(3)
        .collect();
    for (line, who) in arrived.iter().zip(["swaks", "curl", "python"]) {
        assert!(line.contains(&format!("hello from {who}")), "{line}");
    }
    let stopped = Command::new("kill")
        .args(["-INT", &sandbox.id().to_string()])
        .status();
    assert!(stopped.is_ok_and(|status| status.success()));
    assert!(sandbox.wait().expect("its end").success());
}
