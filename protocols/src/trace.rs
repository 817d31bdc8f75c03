//! A dialogue in words, for `--log-wire` and for "why does my printer fail?".
//!
//! A dialogue writes down what it understood, never the bytes it got, so a password typed in the
//! wrong place cannot appear: what is not understood is written down as its length.

/// The lines of a dialogue since they were last taken.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that keeps lines until they are taken.
    pub fn on() -> Self {
        Self {
            lines: Some(Vec::new()),
        }
    }

    /// A trace that costs nothing and keeps nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// A line that the client sent.
    pub fn client(&mut self, line: impl FnOnce() -> String) {
        self.push("C: ", line);
    }

    /// A line that the server sent.
    pub fn server(&mut self, line: impl FnOnce() -> String) {
        self.push("S: ", line);
    }

    /// Takes the lines kept so far, each beginning with `C: ` or `S: `.
    pub fn take(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn push(&mut self, who: &str, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let line = line();
            let line = line.trim_end().escape_debug();
            lines.push(format!("{who}{line}"));
        }
    }
}
