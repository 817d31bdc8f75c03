//! The body of a message: decoded from a device, encoded towards the exchange.
//!
//! Only `CRLF . CRLF` ends a body, and the content that comes out has CRLF line ends throughout, so
//! that no other server can see an end where we saw none (SMTP smuggling). Headers are not read
//! here, and nothing limits the size: the owner counts what it gets.

mod stuffer;

#[cfg(test)]
mod tests;

use memchr::memchr2;

pub use stuffer::Stuffer;

/// What to do with a CR or LF that stands alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// It becomes CRLF.
    #[default]
    Repair,
    /// The message is refused.
    Refuse,
}

/// What one call of [`Body::feed`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed<'a> {
    /// How many octets of the input are done with.
    pub consumed: usize,
    /// What came out.
    pub chunk: Chunk<'a>,
}

/// A piece of a decoded body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Content, borrowed from the input wherever it needed no repair.
    Bytes(&'a [u8]),
    /// Everything is consumed; more input is needed.
    More,
    /// The body is complete; input behind `consumed` belongs to the dialogue.
    End,
    /// The body breaks a rule. Told once: it goes on, and has to be dropped, up to its end.
    Bad(&'static str),
}

/// Decodes what a device sends after DATA.
#[derive(Debug)]
pub struct Body {
    line_ends: LineEnds,
    state: State,
    odd_end: bool,
}

/// What has been seen and not come out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a line that a real CRLF, or the start of the body, precedes.
    Start,
    /// A dot there.
    Dot,
    /// A dot and a CR there.
    DotCr,
    /// At the start of a line that a lone CR or LF precedes.
    BareStart,
    /// A dot there.
    BareDot,
    /// Inside a line.
    Inside,
    /// A CR inside a line.
    Cr,
    /// More than one CR.
    Crs,
    /// The end has been seen.
    Ended,
}

const CRLF: &[u8] = b"\r\n";
const BARE_CR: &str = "a CR without its LF in the message";
const BARE_LF: &str = "a LF without its CR in the message";

impl Body {
    /// A decoder at the start of a body.
    pub fn new(line_ends: LineEnds) -> Self {
        Self {
            line_ends,
            state: State::Start,
            odd_end: false,
        }
    }

    /// Takes more input and gives out at most one piece of content.
    ///
    /// Call it again with what is not consumed until it says [`Chunk::More`]. Pieces are as large as
    /// the input allows and never empty. After [`Chunk::End`] it says the same again and consumes
    /// nothing.
    pub fn feed<'a>(&mut self, input: &'a [u8]) -> Fed<'a> {
        let mut at = 0;
        loop {
            if self.state == State::Ended {
                return fed(at, Chunk::End);
            }
            let Some(&byte) = input.get(at) else {
                return fed(at, Chunk::More);
            };
            // An arm that does not raise `at` has the same octet looked at again in the new state.
            self.state = match (self.state, byte) {
                (State::Start, b'.') => State::Dot.after(&mut at),
                (State::BareStart, b'.') => State::BareDot.after(&mut at),
                (State::Dot, b'\r') => State::DotCr.after(&mut at),
                (State::DotCr, b'\n') => State::Ended.after(&mut at),
                (State::Dot, b'\n') | (State::BareDot, b'\r' | b'\n') => {
                    return self.lone_dot(at, State::Inside);
                }
                (State::DotCr, _) => return self.lone_dot(at, State::Cr),
                // Whether a sender stuffs dots behind such a line end cannot be known: a single dot is
                // taken for one that was not stuffed.
                (State::BareDot, byte) if byte != b'.' => {
                    return self.give(at, b".", State::Inside);
                }
                (State::Cr | State::Crs, b'\n') => return self.give(at + 1, CRLF, State::Start),
                (State::Cr | State::Crs, _) if self.refuses() => {
                    return fed(at, Chunk::Bad(BARE_CR));
                }
                (State::Cr | State::Crs, b'\r') => State::Crs.after(&mut at),
                (State::Cr, _) => return self.give(at, CRLF, State::BareStart),
                (State::Crs, _) => return self.give(at, b"\r\n\r\n", State::BareStart),
                (State::Inside, b'\r') if input.get(at + 1) != Some(&b'\n') => {
                    State::Cr.after(&mut at)
                }
                (State::Inside, b'\n') if self.refuses() => return fed(at, Chunk::Bad(BARE_LF)),
                (State::Inside, b'\n') => return self.give(at + 1, CRLF, State::BareStart),
                (State::Inside, _) => {
                    let (end, state) = clean(input, at);
                    return self.give(end, &input[at..end], state);
                }
                // A dot that is passed over here was put there by the sender's dot-stuffing.
                (State::Start | State::BareStart | State::Dot | State::BareDot, _) => State::Inside,
                (State::Ended, _) => State::Ended,
            };
        }
    }

    /// Whether a dot stood alone on a line whose ends are not both CRLF: a device that waits for an
    /// answer now has ended its message with the wrong line ends.
    pub fn saw_odd_end(&self) -> bool {
        self.odd_end
    }

    /// Whether a lone CR or LF is the first one of a body that may have none.
    fn refuses(&mut self) -> bool {
        std::mem::take(&mut self.line_ends) == LineEnds::Refuse
    }

    /// A dot alone on its line that ends nothing is content.
    fn lone_dot<'a>(&mut self, consumed: usize, state: State) -> Fed<'a> {
        self.odd_end = true;
        self.give(consumed, b".", state)
    }

    fn give<'a>(&mut self, consumed: usize, bytes: &'a [u8], state: State) -> Fed<'a> {
        self.state = state;
        fed(consumed, Chunk::Bytes(bytes))
    }
}

impl State {
    /// This state, one octet later.
    fn after(self, at: &mut usize) -> Self {
        *at += 1;
        self
    }
}

fn fed(consumed: usize, chunk: Chunk<'_>) -> Fed<'_> {
    Fed { consumed, chunk }
}

/// How far the input can be given out as it is, from inside a line at `start` on: up to a line end
/// that needs a closer look, or a line that begins with a dot.
fn clean(input: &[u8], start: usize) -> (usize, State) {
    let mut from = start;
    while let Some(found) = memchr2(b'\r', b'\n', &input[from..]) {
        let at = from + found;
        if !input[at..].starts_with(CRLF) {
            return (at, State::Inside);
        }
        from = at + CRLF.len();
        if matches!(input.get(from), None | Some(b'.')) {
            return (from, State::Start);
        }
    }
    (input.len(), State::Inside)
}
