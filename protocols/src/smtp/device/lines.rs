//! Lines of a device within their limits.

use zeroize::Zeroizing;

use super::{Device, Phase};
use crate::{Ending, line::TooLong};

impl Device {
    /// Takes the next line, if it is here; ends the dialogue where a limit is broken.
    pub(super) fn advance(&mut self) -> bool {
        if self.is_stranger() {
            return true;
        }
        let before = self.wire.input.len();
        let moved = if matches!(self.phase, Phase::Skip) {
            self.skip_line()
        } else {
            self.read_line()
        };
        self.taken += before - self.wire.input.len();
        let limit = self.options.limits.login_octets;
        if self.taken > limit && !self.is_admitted() && self.event.is_none() {
            self.dismiss(
                Ending::TooManyOctets(limit),
                "4.7.0 Too much was sent without a login",
            );
        }
        moved
    }

    fn read_line(&mut self) -> bool {
        let limit = match self.phase {
            Phase::Sasl(_) => self.options.limits.sasl_octets,
            _ => self.options.limits.line_octets,
        };
        match self.wire.input.take_line(limit) {
            Ok(None) => return false,
            Ok(Some(line)) => {
                self.lines += 1;
                let line = Zeroizing::new(line);
                match std::mem::replace(&mut self.phase, Phase::Command) {
                    Phase::Sasl(conversation) => self.sasl_response(conversation, &line),
                    _ => self.command(&line),
                }
            }
            Err(TooLong) => {
                self.wire.heard(format_args!("(a line that is too long)"));
                let in_sasl = matches!(self.phase, Phase::Sasl(_));
                self.phase = Phase::Skip;
                if in_sasl {
                    self.bad(500, "5.5.6 The line is too long");
                } else {
                    self.bad(500, "5.5.2 The line is too long");
                }
            }
        }
        true
    }

    /// Drops the rest of a line that was too long.
    fn skip_line(&mut self) -> bool {
        let input = &mut self.wire.input;
        let end = memchr::memchr(b'\n', input.peek());
        if end.is_some() {
            self.phase = Phase::Command;
        }
        let dropped = end.map_or(input.len(), |at| at + 1);
        let _ = input.take_exact(dropped);
        dropped > 0
    }
}
