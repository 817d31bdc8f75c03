use proptest::prelude::*;

use super::*;
use crate::transcript::observe;

/// Lines that devices send, cut up and mixed with noise.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => proptest::sample::select(vec![
            "EHLO x", "HELO", "NOOP", "RSET", "AUTH PLAIN AHVAeABzM2NyZXQ=", "AUTH LOGIN", "AUTH PLAIN",
            "dUB4", "czNjcmV0", "*", "MAIL FROM:<a@b>", "MAIL FROM: a@b SIZE=10", "RCPT TO:<c@d>",
            "VRFY x", "QUIT", "WHAT", "GET / HTTP/1.1", "",
        ]).prop_map(|line| line.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
    ];
    let end = prop_oneof![4 => Just(&b"\r\n"[..]), 1 => Just(&b"\n"[..]), 1 => Just(&b"\r"[..])];
    proptest::collection::vec((line, end), 0..20).prop_map(|lines| {
        let pieces = lines
            .into_iter()
            .map(|(line, end)| [line, end.to_vec()].concat());
        pieces.collect::<Vec<_>>().concat()
    })
}

proptest! {
    // DATA and STARTTLS are not among the lines: what follows them in the same read is judged by
    // that.
    #[test]
    fn any_chunking_gives_the_same_and_memory_stays_bounded(
        input in input().prop_filter("judged by reads", |input| {
            let text = input.to_ascii_uppercase();
            !text.windows(4).any(|w| w == b"DATA") && !text.windows(8).any(|w| w == b"STARTTLS")
        }),
        cuts in proptest::collection::vec(1usize..30, 1..40),
        answer in proptest::sample::select(vec!["wrong", "accept"]),
        identified in any::<bool>(),
        answered in proptest::sample::select(vec!["reply 250 2.0.0 OK", "reply 550 5.0.0 No", "reply 421 4.0.0 No"]),
    ) {
        let limits = Limits { line_octets: 40, sasl_octets: 50, login_octets: 300, bad_commands: 4, ..Limits::default() };
        let make = || Device::new(Options { limits, identified, ..options(Channel::Encrypted) });
        // One answer for logins, one for the rest: each is ignored where it does not fit.
        let both = |answer: &str| format!("{answer}|{answered}");
        let whole = observe(Twice(make()), &input, &[], &both(answer), |_| {});
        let cut: Vec<usize> = cuts.iter().copied().cycle().take(2000).collect();
        let pieces = observe(Twice(make()), &input, &cut, &both(answer), |device| {
            assert!(device.0.wire.input.len() <= 50 + 2 + 30);
        });
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        input in proptest::collection::vec(any::<u8>(), 0..2000),
        identified in any::<bool>(),
    ) {
        let make = Device::new(Options { identified, ..options(PLAIN_LOGIN) });
        observe(make, &input, &[], "closed", |_| {});
    }
}

#[test]
fn many_commands_in_one_packet_are_answered_in_small_portions() {
    let mut device = Device::new(options(Channel::Encrypted));
    device.receive(&b"EHLO\n".repeat(800));
    let mut replies = 0;
    loop {
        match device.next() {
            Action::Write(bytes) => {
                assert!(bytes.len() < 8192);
                replies += bytes
                    .windows(19)
                    .filter(|w| w == b"ENHANCEDSTATUSCODES")
                    .count();
            }
            Action::Read => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(replies, 800);
}

/// Gives two answers, for [`observe`], which knows only one.
struct Twice(Device);

impl Dialogue for Twice {
    type Event = Event;

    fn receive(&mut self, bytes: &[u8]) {
        self.0.receive(bytes);
    }

    fn next(&mut self) -> Action<Event> {
        self.0.next()
    }

    fn into_leftover(self) -> Vec<u8> {
        self.0.into_leftover()
    }

    fn trace(&mut self) -> &mut Trace {
        self.0.trace()
    }
}

impl Actor for Twice {
    const PEER: char = 'C';

    fn describe(event: Event) -> String {
        Device::describe(event)
    }

    fn answer(&mut self, both: &str) {
        let (one, other) = both.split_once('|').expect("two answers");
        if matches!(self.0.phase, Phase::Waiting(Question::Login)) {
            Actor::answer(&mut self.0, one);
        } else {
            Actor::answer(&mut self.0, other);
        }
    }
}
