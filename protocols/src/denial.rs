//! What a device is told when its login or its message cannot go on.

/// A denial: its kind decides the protocol's code, its text is for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Which code the protocol uses.
    pub kind: DenialKind,
    /// One sentence: whose fault it is, what to do, and the session id. ASCII, one line.
    pub text: String,
}

/// The four answers of the design's table "what a device sees".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialKind {
    /// Wrong device password, or a mailbox the device is not bound to.
    WrongLogin,
    /// The mailbox is not signed in, a policy blocks it, or an admin must act.
    NeedsAdmin,
    /// Sign-in service or exchange unreachable or throttled.
    TryLater,
    /// Too many failed logins.
    TooManyFailures,
}

impl Denial {
    /// A denial whose text is made safe for one protocol line.
    pub fn new(kind: DenialKind, text: &str) -> Self {
        let text = text
            .chars()
            .map(|c| {
                if c == ' ' || c.is_ascii_graphic() {
                    c
                } else {
                    '?'
                }
            })
            .take(400)
            .collect();
        Self { kind, text }
    }
}
