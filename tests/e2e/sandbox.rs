//! `cargo sandbox` does what it says.

use portreeve_tests::harness::portreeve_binary;
use std::process::Command;

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
