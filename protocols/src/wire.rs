//! The two byte streams of a line dialogue and its trace, as IMAP and POP3 share them.

use std::{fmt, io::Write};

use crate::{Trace, line::LineBuffer};

/// What came in and is not read yet, what goes out and is not written yet.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) input: LineBuffer,
    pub(crate) trace: Trace,
    output: Vec<u8>,
    side: Side,
}

/// Which side of the dialogue we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Wire {
    pub(crate) fn new(side: Side, trace: bool) -> Self {
        Self {
            input: LineBuffer::new(),
            output: Vec::new(),
            trace: if trace { Trace::on() } else { Trace::off() },
            side,
        }
    }

    /// Puts a line on its way; the line end is added.
    pub(crate) fn say(&mut self, line: fmt::Arguments<'_>) {
        self.say_shown_as(line, line);
    }

    /// As [`say`](Self::say), but the trace shows something else: credentials, or an echo of what
    /// was not understood.
    pub(crate) fn say_shown_as(&mut self, line: fmt::Arguments<'_>, shown: fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.output.write_fmt(line);
        self.output.extend_from_slice(b"\r\n");
        match self.side {
            Side::Client => self.trace.client(|| shown.to_string()),
            Side::Server => self.trace.server(|| shown.to_string()),
        }
    }

    /// Writes down what the peer said.
    pub(crate) fn heard(&mut self, shown: fmt::Arguments<'_>) {
        match self.side {
            Side::Client => self.trace.server(|| shown.to_string()),
            Side::Server => self.trace.client(|| shown.to_string()),
        }
    }

    /// What is to be written, if there is something.
    pub(crate) fn take_output(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }
}

/// Words that fit on one protocol line.
pub(crate) fn one_line(text: &str) -> String {
    let safe = |c: char| c == ' ' || c.is_ascii_graphic();
    text.chars()
        .map(|c| if safe(c) { c } else { '?' })
        .collect()
}
