use proptest::prelude::*;

use super::*;

/// `sender|size|body|utf8`, or the error.
fn shown(args: &str) -> String {
    match mail(args.as_bytes()) {
        Ok(mail) => format!(
            "{}|{}|{}|{}",
            mail.sender.as_ref().map_or("<>", Address::as_str),
            mail.size.map_or(String::new(), |size| size.to_string()),
            mail.body.map_or("", BodyType::name),
            if mail.smtputf8 { "utf8" } else { "" },
        ),
        Err(why) => format!("{why:?}"),
    }
}

#[test]
fn mail_in_every_form_that_devices_use() {
    for (args, expected) in [
        ("FROM:<a@b.c>", "a@b.c|||"),
        ("from:<a@b.c>", "a@b.c|||"),
        ("FROM: <a@b.c>", "a@b.c|||"),
        ("FROM : <a@b.c>", "a@b.c|||"),
        ("FROM <a@b.c>", "a@b.c|||"),
        ("FROM:a@b.c", "a@b.c|||"),
        ("FROM: a@b.c ", "a@b.c|||"),
        ("FROM:a@b.c SIZE=12", "a@b.c|12||"),
        ("FROM:< a@b.c >", "a@b.c|||"),
        ("FROM:Scanner <a@b.c>", "a@b.c|||"),
        ("FROM:\"2nd floor\" <a@b.c>", "a@b.c|||"),
        ("FROM:\"x@y\" <a@b.c>", "a@b.c|||"),
        ("FROM:Scanner<a@b.c>", "a@b.c|||"),
        ("FROM:<scanner>", "scanner|||"),
        ("FROM:scanner AUTH=<>", "scanner|||"),
        ("FROM:a@b.c AUTH=<>", "a@b.c|||"),
        ("FROM:a@b.c ENVID=<1>", "a@b.c|||"),
        ("FROM:<>", "<>|||"),
        ("FROM: < >", "<>|||"),
        ("FROM:<> SIZE=0", "<>|0||"),
        ("FROM:<@relay,@other:a@b.c>", "a@b.c|||"),
        ("FROM:<\"a b\"@c.d>", "\"a b\"@c.d|||"),
        ("FROM:<\"a>b\\\"\"@c.d> SIZE=1", "\"a>b\\\"\"@c.d|1||"),
        ("FROM:<\"a@b\"@c.d>", "\"a@b\"@c.d|||"),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]|||"),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]|||"),
        ("FROM:<a@my_scanner>", "a@my_scanner|||"),
        ("FROM:<a@b>SIZE=7", "a@b|7||"),
        (
            "FROM:<a@b> size=9 body=8bitmime smtputf8",
            "a@b|9|8BITMIME|utf8",
        ),
        (
            "FROM:<a@b> BODY=7BIT RET=HDRS ENVID=x AUTH=a@b",
            "a@b||7BIT|",
        ),
        (
            "FROM:<a@b> SIZE=99999999999999999999",
            "a@b|18446744073709551615||",
        ),
        ("FROM:<ä@b.c> SMTPUTF8", "ä@b.c|||utf8"),
    ] {
        assert_eq!(shown(args), expected, "MAIL {args}");
    }
}

#[test]
fn mail_that_makes_no_sense() {
    for (args, expected) in [
        ("", "Syntax"),
        ("FROM", "Syntax"),
        ("FROM:", "Syntax"),
        ("TO:<a@b>", "Syntax"),
        ("FROM:<a@b", "Syntax"),
        ("FROM:<a\"@b>", "Syntax"),
        ("FROM:<a@b@c>", "Address(TwoAts)"),
        ("FROM:a@x@domain", "Address(TwoAts)"),
        ("FROM:<a b@c>", "Address(BadCharacter)"),
        ("FROM:<a<b@c>", "Address(BadCharacter)"),
        ("FROM:<@b>", "Address(BadCharacter)"),
        ("FROM:<a@>", "Address(BadCharacter)"),
        ("FROM:<a@b> SIZE=", "Value"),
        ("FROM:<a@b> SIZE=1k", "Value"),
        ("FROM:<a@b> SIZE=-1", "Value"),
        ("FROM:<a@b> SIZE=111111111111111111111", "Value"),
        ("FROM:<a@b> BODY=BINARYMIME", "Value"),
        ("FROM:<a@b> REQUIRETLS", "UnknownParameter"),
    ] {
        assert_eq!(shown(args), expected, "MAIL {args}");
    }
    assert_eq!(mail(b"FROM:<\xff@b>"), Err(BadArguments::Syntax));
}

#[test]
fn rcpt_and_its_parameters() {
    let ok = |args: &str| rcpt(args.as_bytes()).map(|address| address.to_string());
    assert_eq!(ok("TO:<a@b>"), Ok("a@b".into()));
    assert_eq!(
        ok("to: a@b NOTIFY=NEVER ORCPT=rfc822;a@b"),
        Ok("a@b".into())
    );
    assert_eq!(ok("TO:<Postmaster>"), Ok("Postmaster".into()));
    assert_eq!(ok("TO:<>"), Err(BadArguments::Address(BadAddress::Empty)));
    assert_eq!(ok("TO:<a@b> SIZE=1"), Err(BadArguments::UnknownParameter));
}

#[test]
fn verbs_match_without_case_and_with_blanks_around() {
    assert!(Command::parse(b"  eHLo   printer ") == Command::Ehlo(b"printer"));
    assert!(Command::parse(b"EHLO") == Command::Ehlo(b""));
    assert!(Command::parse(b"quit ") == Command::Quit);
    assert!(Command::parse(b"RSET now") == Command::Rset);
    assert!(Command::parse(b"bdat 10 last") == Command::NotOurs("BDAT"));
    assert!(Command::parse(b"") == Command::Unknown);
    assert!(Command::parse(b"GET / HTTP/1.1") == Command::Unknown);
    assert!(Command::parse(b"auth\tplain") == Command::Auth(b"plain"));
}

proptest! {
    #[test]
    fn arbitrary_arguments_never_panic_and_never_let_a_line_end_through(
        args in proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(b'<'), Just(b'>'), Just(b'"'), Just(b'\\'), Just(b'@'), Just(b' '),
        ], 0..80),
    ) {
        let with = |keyword: &[u8]| [keyword, b":", &args].concat();
        let _ = Command::parse(&args);
        let sender = mail(&with(b"FROM")).ok().and_then(|mail| mail.sender);
        for address in sender.into_iter().chain(rcpt(&with(b"TO")).ok()) {
            prop_assert!(!address.as_str().contains(char::is_control));
            // What we write in strict form, we read back as the same.
            prop_assert_eq!(rcpt(format!("TO:<{address}>").as_bytes()), Ok(address));
        }
    }
}

/// Addresses as people have them; the oracle has its own opinion on the others.
fn address() -> impl Strategy<Value = Address> {
    "[a-z0-9][a-z0-9+_-]{0,20}(\\.[a-z0-9]{1,9})?@[a-z0-9]{1,20}(\\.[a-z]{2,9}){1,3}"
        .prop_map(|text| Address::parse(&text).unwrap())
}

proptest! {
    /// What we send to the exchange is read by another implementation as what we meant.
    #[test]
    fn strict_commands_are_understood_elsewhere(
        sender in proptest::option::of(address()),
        recipient in address(),
        size in proptest::option::of(1u32..),
        body in proptest::option::of(proptest::sample::select(
            vec![BodyType::SevenBit, BodyType::EightBitMime])),
        smtputf8 in any::<bool>(),
    ) {
        use smtp_proto::{MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_SMTPUTF8, Request};
        let mail = Mail { sender, size: size.map(u64::from), body, smtputf8 };
        let line = format!("{}\r\n", mail.strict());
        let Ok(Request::Mail { from }) = Request::parse(&mut line.as_bytes().iter()) else {
            panic!("{line}")
        };
        prop_assert_eq!(from.address, mail.sender.as_ref().map_or("", Address::as_str));
        prop_assert_eq!(from.size as u64, mail.size.unwrap_or(0));
        prop_assert_eq!(from.flags & MAIL_BODY_7BIT != 0, body == Some(BodyType::SevenBit));
        prop_assert_eq!(from.flags & MAIL_BODY_8BITMIME != 0, body == Some(BodyType::EightBitMime));
        prop_assert_eq!(from.flags & MAIL_SMTPUTF8 != 0, smtputf8);
        // And we read it back ourselves.
        let args = line.trim_end().strip_prefix("MAIL ").unwrap();
        prop_assert_eq!(super::mail(args.as_bytes()), Ok(mail));

        let line = format!("RCPT TO:<{recipient}>\r\n");
        let Ok(Request::Rcpt { to }) = Request::parse(&mut line.as_bytes().iter()) else {
            panic!("{line}")
        };
        prop_assert_eq!(to.address, recipient.as_str());
    }
}
