use proptest::prelude::*;

use super::*;
use crate::{smtp::BodyType, transcript::observe};

proptest! {
    #[test]
    fn any_chunking_gives_the_same_and_memory_stays_bounded(
        lines in proptest::collection::vec(
            prop_oneof![
                4 => proptest::sample::select(vec![
                    "220 x", "250-x", "250 x", "250-AUTH XOAUTH2", "250 AUTH OAUTHBEARER", "334 ", "334 e30=",
                    "235 ok", "535 5.7.3 no", "421 bye", "250 SIZE 1", "",
                ]).prop_map(str::to_owned),
                1 => ".{0,30}",
            ], 0..20),
        cuts in proptest::collection::vec(1usize..30, 1..40),
        answer in proptest::sample::select(vec!["closed", "quit", "mail FROM:<a@b>", "data"]),
    ) {
        let input = lines.join("\r\n").into_bytes();
        let make = || exchange(UpstreamTls::Implicit);
        let cut: Vec<usize> = cuts.iter().copied().cycle().take(2000).collect();
        let whole = observe(make(), &input, &[], answer, |_| {});
        let pieces = observe(make(), &input, &cut, answer, |exchange| {
            assert!(exchange.wire.input.len() <= 2048 + 2 + 30);
        });
        // Words that nobody asked for are noticed when they are there.
        if !whole.iter().any(|line| line.starts_with("E: Ready")) {
            prop_assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..500)) {
        observe(exchange(UpstreamTls::StartTls), &input, &[], "closed", |_| {});
    }

    #[test]
    fn no_command_holds_a_line_end(local in "[^@]{1,20}", size in any::<u64>()) {
        let Ok(address) = Address::parse(&format!("{local}@b")) else { return Ok(()) };
        let mail = Mail {
            sender: Some(address),
            size: Some(size),
            body: Some(BodyType::EightBitMime),
            smtputf8: true,
        };
        prop_assert!(!mail.strict().contains(char::is_control));
    }
}
