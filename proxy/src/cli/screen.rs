//! What a person sees while waiting: lines that stay and one line that is drawn again.
//!
//! Without a terminal nothing is drawn again: a line is written when a minute has passed.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use super::times::clock;

/// To the first column, and nothing right of it.
const BACK: &str = "\r\x1b[K";

/// The standard output, or a test's buffer.
pub(super) struct Screen<W> {
    out: W,
    terminal: bool,
    drawn: bool,
    /// The minutes that were written last, where there is no terminal.
    minutes: Option<u64>,
}

impl Screen<io::Stdout> {
    /// The standard output.
    pub(super) fn stdout() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        Self::new(out, terminal)
    }
}

impl<W: Write> Screen<W> {
    fn new(out: W, terminal: bool) -> Self {
        Self {
            out,
            terminal,
            drawn: false,
            minutes: None,
        }
    }

    /// Whether a person is looking.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line that stays.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        self.wipe()?;
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// How long something may still take.
    pub(super) fn countdown(&mut self, what: &str, left: Duration) -> io::Result<()> {
        if self.terminal {
            self.drawn = true;
            write!(self.out, "{BACK}{what}, {} left", clock(left))?;
            return self.out.flush();
        }
        let minutes = left.as_secs().div_ceil(60);
        if self.minutes != Some(minutes) {
            self.minutes = Some(minutes);
            writeln!(self.out, "{what}, {minutes} min left")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Ends a countdown; the next one begins anew.
    pub(super) fn wipe(&mut self) -> io::Result<()> {
        self.minutes = None;
        if std::mem::take(&mut self.drawn) {
            write!(self.out, "{BACK}")?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// Asks a person; `None` where nobody can answer.
pub(super) fn ask(question: &str) -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    eprint!("{question} ");
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        return Ok(None);
    }
    Ok(Some(answer.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(terminal: bool) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, terminal);
        for seconds in [61, 60, 59] {
            screen
                .countdown("waiting", Duration::from_secs(seconds))
                .unwrap();
        }
        screen.say("signed in").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_sees_one_line_that_changes() {
        assert_eq!(
            drawn(true),
            "\r\x1b[Kwaiting, 1:01 left\r\x1b[Kwaiting, 1:00 left\r\x1b[Kwaiting, 0:59 left\r\x1b[Ksigned in\n"
        );
    }

    #[test]
    fn a_pipe_sees_plain_lines_and_no_more_than_one_a_minute() {
        assert_eq!(
            drawn(false),
            "waiting, 2 min left\nwaiting, 1 min left\nsigned in\n"
        );
    }
}
