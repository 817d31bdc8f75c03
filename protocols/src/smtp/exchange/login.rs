//! From the banner to the end of the login. Nothing secret goes out before TLS.

use super::{Event, Exchange, Failure, Phase};
use crate::{
    Refusal, RefusalKind,
    dialogue::UpstreamTls,
    sasl::bearer::Mechanism,
    smtp::{
        Abilities, Reply,
        class::{Class, Stage, classify},
    },
};

impl Exchange {
    /// TLS is up after [`Action::StartTls`](crate::Action::StartTls); what was said before is
    /// forgotten (RFC 3207 section 4.2).
    pub fn tls_started(&mut self) {
        if matches!(self.phase, Phase::Upgrade(_)) {
            self.wire.input.clear();
            self.tls = UpstreamTls::Implicit;
            self.greet();
        }
    }

    fn greet(&mut self) {
        let Self { wire, helo, .. } = self;
        wire.say(format_args!("EHLO {helo}"));
        self.phase = Phase::Ehlo;
    }

    /// Takes a reply that comes before the login is over.
    pub(super) fn log_in(&mut self, phase: &Phase, reply: &Reply) {
        match phase {
            Phase::Banner if reply.code == 220 => self.greet(),
            Phase::Ehlo if reply.code == 250 => self.greeted(reply),
            Phase::StartTls if reply.code == 220 => {
                if self.wire.input.is_empty() {
                    self.phase = Phase::Upgrade(false);
                } else {
                    // Whoever sits in between may have put it there, to be read as if over TLS.
                    let words = "the server sent more behind STARTTLS before TLS was up";
                    self.fail(Failure::Misbehaved(words.to_owned()));
                }
            }
            Phase::StartTls if reply.is_permanent() => self.refuse(RefusalKind::NoTls, reply),
            Phase::Mechanism(mechanism) if reply.code == 334 => self.respond(*mechanism),
            // Only a failure has a challenge here (RFC 7628 section 3.2.2); its text is JSON that
            // says less than the reply to come.
            Phase::Response(mechanism) if reply.code == 334 => {
                self.wire
                    .say(format_args!("{}", mechanism.challenge_answer()));
                self.phase = Phase::Failure;
            }
            Phase::Response(_) if reply.code == 235 => {
                self.bearer = None;
                self.phase = Phase::Told(Event::Ready(self.abilities));
            }
            Phase::Mechanism(_) | Phase::Response(_) | Phase::Failure => {
                self.refuse(kind(Stage::Auth, reply), reply);
            }
            _ => self.refuse(kind(Stage::Hello, reply), reply),
        }
    }

    fn greeted(&mut self, reply: &Reply) {
        let offers = Offers::read(reply);
        if self.tls == UpstreamTls::StartTls {
            if offers.start_tls {
                self.wire.say(format_args!("STARTTLS"));
                self.phase = Phase::StartTls;
            } else {
                self.refuse_with(RefusalKind::NoTls, "the server does not offer STARTTLS");
            }
            return;
        }
        self.abilities = offers.abilities;
        self.takes_size = offers.takes_size;
        match Mechanism::choose(offers.mechanisms.iter().map(String::as_str)) {
            Some(mechanism) => {
                // Two steps: the response would not fit into a command line.
                self.wire.say(format_args!("AUTH {}", mechanism.name()));
                self.phase = Phase::Mechanism(mechanism);
            }
            None if offers.mechanisms.is_empty() => {
                self.refuse_with(RefusalKind::NoMechanism, "the server does not offer AUTH");
            }
            None => {
                let words = format!("the server offers AUTH {}", offers.mechanisms.join(" "));
                self.refuse_with(RefusalKind::NoMechanism, &words);
            }
        }
    }

    fn respond(&mut self, mechanism: Mechanism) {
        let Some(bearer) = &self.bearer else {
            return;
        };
        let response = bearer.response(mechanism);
        self.wire
            .say_shown_as(format_args!("{}", *response), format_args!("<credentials>"));
        self.phase = Phase::Response(mechanism);
    }

    fn refuse(&mut self, kind: RefusalKind, reply: &Reply) {
        let words = self.scrubbed(reply);
        self.refuse_with(kind, &words);
    }

    fn refuse_with(&mut self, kind: RefusalKind, words: &str) {
        let words = words.to_owned();
        self.bearer = None;
        self.phase = Phase::Told(Event::Refused(Refusal { kind, words }));
    }

    /// What an end before the login means.
    pub(super) fn refusal(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::Closed => Refusal {
                kind: RefusalKind::Unavailable,
                words: failure.words(),
            },
            Failure::Misbehaved(words) => Refusal {
                kind: RefusalKind::Misbehaved,
                words,
            },
            Failure::Said(reply) => Refusal {
                kind: kind(Stage::Hello, &reply),
                words: self.scrubbed(&reply),
            },
        }
    }
}

/// What a reply that is not the one hoped for means for the login.
fn kind(stage: Stage, reply: &Reply) -> RefusalKind {
    match classify(stage, reply) {
        Class::TokenRefused => RefusalKind::TokenRefused,
        Class::AccessDenied | Class::SmtpAuthDisabled(_) | Class::Blocked => {
            RefusalKind::AccessDenied
        }
        Class::Concurrency | Class::Throttled => RefusalKind::Throttled(None),
        // A positive reply that is not the one asked for, such as 250 to AUTH.
        Class::Accepted => RefusalKind::Misbehaved,
        _ if stage == Stage::Auth && reply.code == 504 => RefusalKind::NoMechanism,
        _ if stage == Stage::Auth && reply.is_permanent() => RefusalKind::AccessDenied,
        _ => RefusalKind::Unavailable,
    }
}

/// What EHLO shows.
#[derive(Default)]
struct Offers {
    abilities: Abilities,
    takes_size: bool,
    start_tls: bool,
    mechanisms: Vec<String>,
}

impl Offers {
    /// The first line is the server's name; keywords match without case.
    fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            // `AUTH=LOGIN …` is the form from before RFC 2554, shown beside the other one.
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("SIZE") => {
                    offers.takes_size = true;
                    // RFC 1870 section 3: 0 means that there is no fixed limit.
                    offers.abilities.size = words
                        .next()
                        .and_then(|size| size.parse().ok())
                        .filter(|size| *size > 0);
                }
                Some("8BITMIME") => offers.abilities.eight_bit = true,
                Some("SMTPUTF8") => offers.abilities.smtputf8 = true,
                Some("STARTTLS") => offers.start_tls = true,
                Some("AUTH") => offers.mechanisms.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }
}
