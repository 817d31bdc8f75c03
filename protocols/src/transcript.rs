//! Transcripts as data: what all six dialogues are tested with.
//!
//! ```text
//! S: * OK ready                 a whole line by us or by the peer; CRLF is added
//! C: A1 LOGIN "u" "p"
//! c: A1 NOOP«0a»                lower case: no line end is added
//! E: Login u p                  an event, or one of the actions StartTls and Close
//! A: accept                     the owner's answer; `A: closed` means that the peer went away
//! L: A2 NOOP«0d0a»              what is left over at the end
//! ```
//! `«0d0a»` stands for bytes in hex. Blank lines and lines beginning with `#` are ignored. A line
//! of the peer is sent only after everything written above it has come out. Every transcript is
//! played whole, byte by byte and in threes: how the input is cut must not matter.

use crate::{Action, Dialogue};

/// What the runner has to know about a dialogue.
pub(crate) trait Actor: Dialogue + Sized {
    /// The letter of the peer: `C` where we are the server.
    const PEER: char;

    /// The event in words, as a transcript's `E:` line has it.
    fn describe(event: Self::Event) -> String;

    /// Carries out an `A:` line.
    fn answer(&mut self, command: &str);
}

/// Plays a transcript in several cuttings; returns the lines of the trace.
pub(crate) fn play<D: Actor>(make: impl Fn() -> D, transcript: &str) -> Vec<String> {
    play_cut(make(), transcript, 1);
    play_cut(make(), transcript, 3);
    play_cut(make(), transcript, usize::MAX)
}

/// Feeds `input` in pieces of the given sizes (then as one piece), answering every event that waits
/// with `answer`; returns what came out.
pub(crate) fn observe<D: Actor>(
    dialogue: D,
    input: &[u8],
    cuts: &[usize],
    answer: &str,
    mut check: impl FnMut(&D),
) -> Vec<String> {
    let mut stage = Stage::new(dialogue);
    let mut cuts = cuts.iter().copied();
    stage.queue = input.to_vec();
    let mut answered = false;
    loop {
        match stage.step(cuts.next().unwrap_or(usize::MAX).max(1)) {
            Step::Moved => answered = false,
            // A dialogue that still waits after the answer has been handed over to what comes next.
            Step::Waits if !stage.over && !answered => {
                answered = true;
                stage.dialogue.answer(answer);
            }
            Step::Waits | Step::Starves => break,
        }
        check(&stage.dialogue);
    }
    stage.lines()
}

fn play_cut<D: Actor>(dialogue: D, transcript: &str, cut: usize) -> Vec<String> {
    let mut stage = Stage::new(dialogue);
    let mut expected = Vec::new();
    let mut checked = 0;
    let mut leftover = None;
    for line in transcript.lines().map(str::trim_start) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (who, text) = line.split_once(':').expect("a letter and a colon");
        let text = text.strip_prefix(' ').unwrap_or(text);
        let who = who.chars().next().expect("a letter");
        if matches!(who, 'E') || who.to_ascii_uppercase() == D::PEER_OF {
            let text = String::from_utf8_lossy(&unescape(text)).into_owned();
            expected.push(format!("{who}: {text}"));
            continue;
        }
        if who == 'L' {
            leftover = Some(unescape(text));
            continue;
        }
        if checked < expected.len() || who == 'A' {
            stage.run(cut);
            stage.compare(&expected);
            checked = expected.len();
        }
        if who == 'A' {
            stage.dialogue.answer(text);
        } else {
            assert_eq!(
                who.to_ascii_uppercase(),
                D::PEER,
                "who is speaking in {line:?}?"
            );
            stage.queue.extend(unescape(text));
            if who.is_ascii_uppercase() {
                stage.queue.extend(b"\r\n");
            }
        }
    }
    stage.run(cut);
    stage.compare(&expected);
    let trace = stage.dialogue.trace().take();
    if let Some(leftover) = leftover {
        let mut found = stage.dialogue.into_leftover();
        found.extend(stage.queue);
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&leftover),
            "left over"
        );
    }
    trace
}

trait Other {
    const PEER_OF: char;
}

impl<D: Actor> Other for D {
    const PEER_OF: char = if D::PEER == 'C' { 'S' } else { 'C' };
}

struct Stage<D> {
    dialogue: D,
    queue: Vec<u8>,
    seen: Vec<Seen>,
    over: bool,
}

enum Seen {
    Written(Vec<u8>),
    Happened(String),
}

enum Step {
    Moved,
    Waits,
    Starves,
}

impl<D: Actor> Stage<D> {
    fn new(dialogue: D) -> Self {
        Self {
            dialogue,
            queue: Vec::new(),
            seen: Vec::new(),
            over: false,
        }
    }

    fn run(&mut self, cut: usize) {
        while let Step::Moved = self.step(cut) {}
    }

    fn step(&mut self, cut: usize) -> Step {
        if self.over {
            return Step::Waits;
        }
        match self.dialogue.next() {
            Action::Read if self.queue.is_empty() => return Step::Starves,
            Action::Read => {
                let piece: Vec<u8> = self.queue.drain(..cut.min(self.queue.len())).collect();
                self.dialogue.receive(&piece);
            }
            Action::Write(bytes) => match self.seen.last_mut() {
                Some(Seen::Written(before)) => before.extend(bytes),
                _ => self.seen.push(Seen::Written(bytes)),
            },
            Action::StartTls => self.seen.push(Seen::Happened("StartTls".into())),
            Action::Event(event) => self.seen.push(Seen::Happened(D::describe(event))),
            Action::Wait => return Step::Waits,
            Action::Close => {
                self.over = true;
                self.seen.push(Seen::Happened("Close".into()));
            }
        }
        Step::Moved
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for seen in &self.seen {
            match seen {
                Seen::Happened(event) => lines.push(format!("E: {event}")),
                Seen::Written(bytes) => {
                    let text = String::from_utf8_lossy(bytes);
                    for line in text.split_inclusive("\r\n") {
                        lines.push(match line.strip_suffix("\r\n") {
                            Some(line) => format!("{}: {line}", D::PEER_OF),
                            None => format!("{}: {line}", D::PEER_OF.to_ascii_lowercase()),
                        });
                    }
                }
            }
        }
        lines
    }

    fn compare(&self, expected: &[String]) {
        let found = self.lines();
        assert!(
            found == expected,
            "\n--- expected ---\n{}\n--- found ---\n{}\n",
            expected.join("\n"),
            found.join("\n"),
        );
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        bytes.extend(before.as_bytes());
        let (hex, after) = after.split_once('»').expect("a closing »");
        for pair in hex.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).expect("hex");
            bytes.push(u8::from_str_radix(pair, 16).expect("hex"));
        }
        rest = after;
    }
    bytes.extend(rest.as_bytes());
    bytes
}
