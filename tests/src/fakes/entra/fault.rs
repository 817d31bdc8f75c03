//! Trouble that a test orders for the next calls.

use super::wire::Failure;
use std::time::Duration;

/// What happens to a call in place of, or before, the usual answer.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) delay: Duration,
    pub(super) headers: Vec<(String, String)>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Only the delay; then the usual answer.
    Usual,
    /// An error as Entra writes it.
    Failure(Failure),
    /// This status and body.
    Raw(u16, &'static str, String),
    /// No answer, ever.
    Hang,
    /// The connection is cut without an answer.
    Close,
}

impl Fault {
    /// An error in Entra's JSON: HTTP status, OAuth error, AADSTS number and text.
    pub fn aadsts(status: u16, error: &str, code: u32, text: &str) -> Self {
        Self::new(Kind::Failure(Failure::new(status, error, code, text)))
    }

    /// An error without an AADSTS number, such as `slow_down`.
    pub fn oauth(status: u16, error: &str) -> Self {
        Self::new(Kind::Failure(Failure::new(status, error, 0, error)))
    }

    /// Any status with any text.
    pub fn raw(status: u16, content_type: &'static str, body: &str) -> Self {
        Self::new(Kind::Raw(status, content_type, body.to_owned()))
    }

    /// The usual answer, but late.
    pub fn slow(delay: Duration) -> Self {
        Self::new(Kind::Usual).after(delay)
    }

    /// No answer, ever.
    pub fn hang() -> Self {
        Self::new(Kind::Hang)
    }

    /// The connection is cut without an answer.
    pub fn close() -> Self {
        Self::new(Kind::Close)
    }

    /// The same with `suberror` in the JSON.
    #[must_use]
    pub fn suberror(mut self, suberror: &str) -> Self {
        if let Kind::Failure(failure) = &mut self.kind {
            failure.suberror = Some(suberror.to_owned());
        }
        self
    }

    /// The same with one more header, such as `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, this much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn new(kind: Kind) -> Self {
        Self {
            delay: Duration::ZERO,
            headers: Vec::new(),
            kind,
        }
    }
}
