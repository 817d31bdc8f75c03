use super::*;

const HELO: &str = "C: HELO printer\nS: 250 gw.lan\n";

fn after_helo(transcript: &str) -> Vec<String> {
    encrypted(&format!("{HELO}{transcript}"))
}

#[test]
fn plain_in_one_step_and_in_two() {
    after_helo(
        "
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        ",
    );
    // The blank behind 334 stands there although the challenge is empty.
    let trace = after_helo(
        "
        C: auth  plain\u{20}
        S: 334\u{20}
        C: AHVAeABzM2NyZXQ= \u{20}
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        ",
    );
    assert!(trace.contains(&"C: AUTH PLAIN".to_owned()));
    assert!(trace.contains(&"C: <credentials>".to_owned()));
    after_helo(
        "
        C: AUTH PLAIN c2hhcmVkQHgAdUB4AHMzY3JldA==
        E: Login u@x as shared@x: s3cret
        A: wrong
        S: 535 5.7.8 as the log says [s1]
        ",
    );
}

#[test]
fn login_with_the_prompts_that_printers_compare() {
    after_helo(
        "
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dUB4
        S: 334 UGFzc3dvcmQ6
        C: czNjcmV0
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        ",
    );
    let trace = after_helo(
        "
        C: AUTH login dUB4
        S: 334 UGFzc3dvcmQ6
        C: czNjcmV0
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        ",
    );
    assert!(trace.contains(&"C: AUTH LOGIN <credentials>".to_owned()));
}

#[test]
fn a_latin_1_password_arrives_byte_for_byte() {
    let mut device = Device::new(options(Channel::Encrypted));
    device.receive(b"HELO x\r\nAUTH LOGIN dUB4\r\ncORzcw==\r\n");
    let _ = device.next();
    let Action::Event(Event::Login(credentials)) = device.next() else {
        panic!("a login")
    };
    assert_eq!(credentials.password(), b"p\xe4ss");
}

#[test]
fn a_login_that_goes_wrong_can_be_tried_again() {
    after_helo(
        "
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: *
        S: 501 5.7.0 The login was cancelled
        C: AUTH PLAIN
        S: 334\u{20}
        C: what?
        S: 501 5.5.2 That is not what the mechanism asks for
        C: AUTH PLAIN dUB4
        S: 501 5.5.2 That is not what the mechanism asks for
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C:
        S: 501 5.5.2 That is not what the mechanism asks for
        C: AUTH
        S: 501 5.5.4 AUTH takes a mechanism: LOGIN or PLAIN
        C: AUTH CRAM-MD5
        S: 504 5.5.4 Use AUTH LOGIN or AUTH PLAIN
        C: AUTH XOAUTH2 dXNlcj0=
        S: 504 5.5.4 Use AUTH LOGIN or AUTH PLAIN
        C: AUTH PLAIN AHVAeAA=
        S: 535 5.7.8 The user name or the password is empty
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        S: 503 5.5.1 You are logged in already
        ",
    );
}

#[test]
fn each_cause_has_its_code() {
    let login = "C: AUTH PLAIN AHVAeABzM2NyZXQ=\nE: Login u@x: s3cret\n";
    for (answer, told) in [
        ("wrong", "535 5.7.8"),
        ("admin", "454 4.7.0"),
        ("later", "454 4.7.0"),
    ] {
        after_helo(&format!(
            "{login}A: {answer}\nS: {told} as the log says [s1]"
        ));
    }
    after_helo(&format!(
        "{login}A: many\nS: 421 4.7.0 as the log says [s1]\n\
         E: Ended: the session was ended with 421\nE: Close"
    ));
    let permanent = Options {
        needs_admin_is_permanent: true,
        ..options(Channel::Encrypted)
    };
    for (answer, told) in [("admin", "535 5.7.8"), ("later", "454 4.7.0")] {
        played(
            &permanent,
            &format!("{HELO}{login}A: {answer}\nS: {told} as the log says [s1]"),
        );
    }
}

#[test]
fn too_many_refusals_end_the_session() {
    let once = "C: AUTH PLAIN AHVAeABzM2NyZXQ=\nE: Login u@x: s3cret\nA: wrong\n\
                S: 535 5.7.8 as the log says [s1]\n";
    after_helo(&format!(
        "{}E: Ended: 5 logins were refused on this connection\nE: Close",
        once.repeat(5)
    ));
}

#[test]
fn commands_behind_a_login_wait_for_it() {
    after_helo(
        "
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        C: MAIL FROM:<a@b>
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        ",
    );
    after_helo(
        "
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        C: MAIL FROM:<a@b>
        E: Login u@x: s3cret
        A: wrong
        S: 535 5.7.8 as the log says [s1]
        S: 530 5.7.0 Authentication required
        ",
    );
}

#[test]
fn no_login_before_a_greeting_nor_without_tls() {
    encrypted("C: AUTH PLAIN AHVAeABzM2NyZXQ=\nS: 503 5.5.1 EHLO comes first");
    played(
        &options(NOTHING),
        &format!(
            "{HELO}C: AUTH PLAIN AHVAeABzM2NyZXQ=\nS: 538 5.7.11 No login is taken without TLS"
        ),
    );
    played(
        &options(PLAIN_LOGIN),
        &format!(
            "{HELO}C: AUTH PLAIN AHVAeABzM2NyZXQ=\nE: Login u@x: s3cret\nA: accept\n\
             S: 235 2.7.0 Authentication successful\nC: STARTTLS\n\
             S: 503 5.5.1 Too late for TLS: the login is over"
        ),
    );
}

#[test]
fn a_response_may_be_long_but_not_without_end() {
    let (most, more) = ("A".repeat(12_288), "A".repeat(12_289));
    after_helo(&format!(
        "
        C: AUTH PLAIN
        S: 334\u{20}
        C: {most}
        S: 501 5.5.2 That is not what the mechanism asks for
        C: AUTH PLAIN
        S: 334\u{20}
        C: {more}
        S: 500 5.5.6 The line is too long
        C: NOOP
        S: 250 2.0.0 OK
        "
    ));
}
