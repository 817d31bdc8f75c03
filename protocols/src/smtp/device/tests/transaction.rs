use super::*;

#[test]
fn a_device_known_by_its_address_sends_without_a_login() {
    identified(
        "
        C: MAIL FROM: a@b SIZE=1000 BODY=8BITMIME AUTH=<>
        E: MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME
        A: reply 250 2.1.0 Sender OK
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<c@d> NOTIFY=NEVER
        E: RCPT TO:<c@d>
        A: reply 550 5.1.1 User unknown
        S: 550 5.1.1 User unknown
        C: rcpt to:e@f
        E: RCPT TO:<e@f>
        A: reply 250 2.1.5 Recipient OK
        S: 250 2.1.5 Recipient OK
        C: DATA
        E: Data
        A: body
        S: 354 Send the message, then a dot on a line by itself
        E: Body
        A: sent 250 2.0.0 OK <1@x>
        S: 250 2.0.0 OK <1@x>
        C: MAIL FROM:<>
        E: MAIL FROM:<>
        A: reply 451 4.7.0 Later
        S: 451 4.7.0 Later
        C: RCPT TO:<c@d>
        S: 503 5.5.1 MAIL comes first
        C: QUIT
        S: 221 2.0.0 Goodbye
        E: Ended: the device said QUIT
        E: Close
        ",
    );
}

#[test]
fn the_order_of_commands() {
    encrypted(
        "
        C: MAIL FROM:<a@b>
        S: 503 5.5.1 EHLO comes first
        C: HELO x
        S: 250 gw.lan
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 Authentication required
        C: MAIL FROM:<a@b@c>
        S: 530 5.7.0 Authentication required
        C: RCPT TO:<a@b>
        S: 530 5.7.0 Authentication required
        C: DATA
        S: 530 5.7.0 Authentication required
        ",
    );
    identified(
        "
        C: RCPT TO:<a@b>
        S: 503 5.5.1 MAIL comes first
        C: DATA
        S: 503 5.5.1 MAIL comes first
        C: MAIL FROM:<a@b>
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        C: DATA
        S: 503 5.5.1 RCPT comes first
        C: MAIL FROM:<a@b>
        S: 503 5.5.1 The transaction has a sender already
        C: AUTH LOGIN
        S: 503 5.5.1 No login inside a transaction
        ",
    );
}

#[test]
fn pipelined_commands_are_answered_in_order_and_together() {
    identified(
        "
        C: MAIL FROM:<a@b>
        C: RCPT TO:<c@d>
        C: NOOP
        C: RSET
        C: NOOP
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        E: RCPT TO:<c@d>
        A: reply 250 2.1.5 OK
        S: 250 2.1.5 OK
        S: 250 2.0.0 OK
        S: 250 2.0.0 OK
        E: Reset
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn whatever_gives_a_transaction_up_is_told() {
    let begun = "C: MAIL FROM:<a@b>\nE: MAIL FROM:<a@b>\nA: reply 250 2.1.0 OK\nS: 250 2.1.0 OK\n";
    for (command, told) in [
        ("RSET", "250 2.0.0 OK"),
        ("HELO again", "250 gw.lan"),
        (
            "QUIT",
            "221 2.0.0 Goodbye\nE: Reset\nE: Ended: the device said QUIT\nE: Close",
        ),
    ] {
        let reset = if told.contains("Reset") {
            ""
        } else {
            "\nE: Reset\n"
        };
        identified(&format!("{begun}C: {command}\nS: {told}{reset}"));
    }
    let options = Options {
        identified: true,
        ..options(STARTTLS_FIRST)
    };
    played(
        &options,
        &format!(
            "C: HELO x\nS: 250 gw.lan\n{begun}C: STARTTLS\nS: 220 2.0.0 Begin TLS now\nE: Reset\n\
             E: StartTls\nA: tls\nC: RCPT TO:<a@b>\nS: 503 5.5.1 MAIL comes first"
        ),
    );
}

#[test]
fn ehlo_keeps_the_login() {
    encrypted(
        "
        C: HELO x
        C: AUTH PLAIN AHVAeABzM2NyZXQ=
        S: 250 gw.lan
        E: Login u@x: s3cret
        A: accept
        S: 235 2.7.0 Authentication successful
        C: HELO x
        C: MAIL FROM:<a@b>
        S: 250 gw.lan
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        ",
    );
}

#[test]
fn what_an_envelope_cannot_hold() {
    identified(
        "
        C: MAIL FROM:<a@b@c>
        S: 501 5.1.7 the address has more than one @
        C: MAIL
        S: 501 5.5.4 the command is not complete
        C: MAIL FROM:<a@b> SIZE=x
        S: 501 5.5.4 the value of a parameter makes no sense
        C: MAIL FROM:<a@b> REQUIRETLS
        S: 555 5.5.4 a parameter is not known here
        C: MAIL FROM:<a@b> SIZE=1001
        S: 552 5.3.4 The message is larger than 1000 octets
        C: MAIL FROM:<«c3a4»@b>
        S: 553 5.6.7 This address needs SMTPUTF8
        C: MAIL FROM:<a@b>
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        C: RCPT TO:<>
        S: 501 5.1.3 the address is empty
        C: RCPT TO:<«c3a4»@b>
        S: 553 5.6.7 This address needs SMTPUTF8
        ",
    );
}

#[test]
fn smtputf8_only_where_it_is_offered() {
    identified(
        "
        C: MAIL FROM:<«c3a4»@b> SMTPUTF8
        E: MAIL FROM:<\u{e4}@b> SMTPUTF8
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        C: RCPT TO:<«c3a4»@b>
        E: RCPT TO:<\u{e4}@b>
        A: reply 250 2.1.5 OK
        S: 250 2.1.5 OK
        ",
    );
    let mut options = options(NOTHING);
    options.identified = true;
    options.abilities.smtputf8 = false;
    played(
        &options,
        "
        C: HELO x
        S: 250 gw.lan
        C: MAIL FROM:<a@b> SMTPUTF8
        S: 550 5.6.7 SMTPUTF8 is not offered
        ",
    );
}

#[test]
fn recipients_are_counted() {
    let mut options = options(NOTHING);
    options.identified = true;
    options.limits.recipients = 2;
    let accepted = "C: RCPT TO:<c@d>\nE: RCPT TO:<c@d>\nA: reply 250 2.1.5 OK\nS: 250 2.1.5 OK\n";
    let refused = "C: RCPT TO:<c@d>\nE: RCPT TO:<c@d>\nA: reply 550 5.1.1 No\nS: 550 5.1.1 No\n";
    played(
        &options,
        &format!(
            "C: HELO x\nS: 250 gw.lan\nC: MAIL FROM:<a@b>\nE: MAIL FROM:<a@b>\n\
             A: reply 250 2.1.0 OK\nS: 250 2.1.0 OK\n{accepted}{refused}{accepted}\
             C: RCPT TO:<c@d>\nS: 452 4.5.3 Too many recipients"
        ),
    );
}

/// MAIL and RCPT are accepted, DATA is asked.
fn at_data(after: &[u8]) -> Device {
    let mut device = Device::new(Options {
        identified: true,
        ..options(NOTHING)
    });
    device.receive(b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    device.receive(after);
    loop {
        match device.next() {
            Action::Event(Event::Data) => return device,
            Action::Event(_) => device.answer(Reply::new(250, "2.0.0 OK")),
            Action::Write(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_sent_without_waiting_is_handed_over_and_what_follows_comes_back() {
    let mut device = at_data(b"body\r\n.\r\nNOOP\r\n");
    device.begin_body();
    assert!(matches!(device.next(), Action::Write(_)));
    assert_eq!(device.next(), Action::Event(Event::Body));
    assert_eq!(device.next(), Action::Wait);
    assert_eq!(device.take_input(), b"body\r\n.\r\nNOOP\r\n");
    device.body_ended(b"NOOP\r\n", Reply::new(250, "2.0.0 Sent"));
    assert_eq!(
        device.next(),
        Action::Write(b"250 2.0.0 Sent\r\n250 2.0.0 OK\r\n".to_vec())
    );
}

#[test]
fn a_refused_data_ends_the_transaction() {
    let mut device = at_data(b"");
    device.answer(Reply::new(451, "4.3.2 Later"));
    assert_eq!(
        device.next(),
        Action::Write(b"451 4.3.2 Later\r\n".to_vec())
    );
    device.receive(b"RCPT TO:<c@d>\r\n");
    assert_eq!(
        device.next(),
        Action::Write(b"503 5.5.1 MAIL comes first\r\n".to_vec())
    );
}

#[test]
fn a_body_behind_a_refused_data_is_never_read_as_commands() {
    let mut device = at_data(b"MAIL FROM:<evil@x>\r\n");
    device.answer(Reply::new(451, "4.3.2 Later"));
    assert!(matches!(device.next(), Action::Write(_)));
    assert_eq!(
        device.next(),
        Action::Event(Event::Ended(Ending::InputBehindData))
    );
    assert_eq!(device.next(), Action::Close);
}

#[test]
fn an_answer_of_421_ends_the_session() {
    identified(
        "
        C: MAIL FROM:<a@b>
        E: MAIL FROM:<a@b>
        A: reply 421 4.3.2 Bye
        S: 421 4.3.2 Bye
        E: Ended: the session was ended with 421
        E: Close
        ",
    );
}

#[test]
fn an_accepted_message_forgives_bad_commands() {
    let mut device = at_data(b"");
    for _ in 0..2 {
        device.begin_body();
        let _ = device.next();
        assert_eq!(device.next(), Action::Event(Event::Body));
        device.body_ended(b"", Reply::new(250, "2.0.0 OK"));
        device.receive(&b"WHAT\r\n".repeat(10));
        device.receive(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        loop {
            match device.next() {
                Action::Event(Event::Data) => break,
                Action::Event(Event::Ended(ending)) => panic!("{ending}"),
                Action::Event(_) => device.answer(Reply::new(250, "2.0.0 OK")),
                Action::Write(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_shut_down_inside_a_transaction_ends_it() {
    identified(
        "
        C: MAIL FROM:<a@b>
        E: MAIL FROM:<a@b>
        A: reply 250 2.1.0 OK
        S: 250 2.1.0 OK
        A: shut-down Nothing was heard
        S: 421 4.3.2 Nothing was heard
        E: Ended: the session was ended with 421
        E: Close
        ",
    );
}

#[test]
fn an_answer_nobody_asked_for_changes_nothing() {
    let mut device = Device::new(options(Channel::Encrypted));
    device.answer(Reply::new(250, "x"));
    device.login_accepted();
    device.begin_body();
    device.body_ended(b"x", Reply::new(250, "x"));
    device.tls_started();
    assert_eq!(
        device.next(),
        Action::Write(b"220 gw.lan ESMTP\r\n".to_vec())
    );
    assert_eq!(device.next(), Action::Read);
}
