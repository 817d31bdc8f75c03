//! The text of the file: where each key stands, and what is wrong in words that people use.
//!
//! What a value means is not known here.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Finding, Severity, file::File};

/// Fewer letters than this in common, and a suggestion would only confuse.
const NEAR: f64 = 0.7;

/// A parsed file that remembers its lines. Without a file there is nothing to point at.
#[derive(Debug, Default)]
pub(super) struct Source {
    file: Option<PathBuf>,
    text: String,
    places: Vec<Place>,
}

/// Where a key stands.
#[derive(Debug)]
struct Place {
    path: Vec<String>,
    key: Range<usize>,
    value: Range<usize>,
}

impl Source {
    /// Parses a file's text into its shapes.
    pub(super) fn parse(file: &Path, text: String) -> Result<(Self, File), ConfigError> {
        let mut source = Self {
            file: Some(file.to_owned()),
            text,
            places: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty() {
            let findings = errors
                .iter()
                .map(|error| {
                    source.at(
                        error.span(),
                        format!("this is not TOML: {}", error.message()),
                    )
                })
                .collect();
            return Err(ConfigError(findings));
        }
        let mut places = Vec::new();
        remember(table.get_ref(), &mut Vec::new(), &mut places);
        source.places = places;
        match toml::from_str(&source.text) {
            Ok(shapes) => Ok((source, shapes)),
            Err(error) => Err(ConfigError(vec![source.explain(&error)])),
        }
    }

    /// An error about a key, or about the section that lacks it.
    pub(super) fn wrong(&self, path: &[&str], text: impl AsRef<str>) -> Finding {
        self.finding(Severity::Error, path, text)
    }

    /// A sentence about a key. It starts with the key and its section.
    pub(super) fn finding(
        &self,
        severity: Severity,
        path: &[&str],
        text: impl AsRef<str>,
    ) -> Finding {
        let text = text.as_ref();
        Finding {
            severity,
            file: self.line(path).and(self.file.clone()),
            line: self.line(path),
            text: if path.is_empty() {
                text.to_owned()
            } else {
                format!("{} {text}", name(path))
            },
        }
    }

    /// Whether the file holds the key.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.places.iter().any(|place| place.path == path)
    }

    /// The line of a key; if it is not there, that of the nearest section around it.
    pub(super) fn line(&self, path: &[&str]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|length| {
            let place = self
                .places
                .iter()
                .find(|place| place.path == path[..length])?;
            Some(self.line_at(place.key.start))
        })
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        1 + before.matches('\n').count()
    }

    fn at(&self, span: Option<Range<usize>>, text: String) -> Finding {
        Finding {
            severity: Severity::Error,
            file: self.file.clone(),
            line: span.map(|span| self.line_at(span.start)),
            text,
        }
    }

    /// Says in our words what serde found.
    fn explain(&self, error: &toml::de::Error) -> Finding {
        let span = error.span();
        let place = span.as_ref().and_then(|span| self.place_at(span));
        let path: Vec<&str> = place.map_or(Vec::new(), |place| {
            place.path.iter().map(String::as_str).collect()
        });
        let message = error.message();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let text = match quoted.split_first() {
            Some((wrong, right)) if message.starts_with("unknown field") => {
                let section = if path.len() > 1 {
                    format!(" in {}", section(&path[..path.len() - 1]))
                } else {
                    String::new()
                };
                format!(
                    "unknown key \"{wrong}\"{section}; {}",
                    suggestion(wrong, right)
                )
            }
            Some((wrong, right)) if message.starts_with("unknown variant") => {
                format!(
                    "{} cannot be \"{wrong}\"; {}",
                    name(&path),
                    suggestion(wrong, right)
                )
            }
            _ => format!(
                "{} has a wrong value: {}",
                name(&path),
                plain_words(message)
            ),
        };
        self.at(span, text)
    }

    fn place_at(&self, span: &Range<usize>) -> Option<&Place> {
        let holds = |range: &Range<usize>| range.start <= span.start && span.end <= range.end;
        self.places
            .iter()
            .find(|place| place.key == *span)
            .or_else(|| {
                self.places
                    .iter()
                    .filter(|place| holds(&place.value))
                    .min_by_key(|place| place.value.len())
            })
    }
}

/// The nearest of some words, or all of them.
pub(super) fn suggestion(wrong: &str, right: &[&str]) -> String {
    let near = right
        .iter()
        .map(|word| (strsim::jaro_winkler(&wrong.to_lowercase(), word), word))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, word)) if likeness >= NEAR => format!("did you mean \"{word}\"?"),
        _ => {
            let words: Vec<String> = right.iter().map(|word| format!("\"{word}\"")).collect();
            format!("known here: {}", words.join(", "))
        }
    }
}

/// `"address" in [listener.smtp]`
fn name(path: &[&str]) -> String {
    match path.split_last() {
        None => "the file".to_owned(),
        Some((key, [])) => format!("\"{key}\""),
        Some((_, ["listener" | "provider"])) => section(path),
        Some((key, sections)) => format!("\"{key}\" in {}", section(sections)),
    }
}

fn section(path: &[&str]) -> String {
    format!("[{}]", path.join("."))
}

fn plain_words(message: &str) -> String {
    let mut words = message
        .trim_start_matches("invalid type: ")
        .trim_start_matches("invalid value: ")
        .to_owned();
    for (from, to) in [
        ("expected u64", "expected a whole number"),
        ("expected u16", "expected a whole number up to 65535"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list in square brackets"),
        ("expected a string", "expected text in quotes"),
        ("expected path string", "expected a path in quotes"),
        ("expected string or table", "expected text in quotes"),
        ("expected a map", "expected a section"),
    ] {
        words = words.replace(from, to);
    }
    if let Some(at) = words.find("expected struct ") {
        words.replace_range(at.., "expected a section");
    }
    words
}

fn remember(table: &DeTable<'_>, above: &mut Vec<String>, places: &mut Vec<Place>) {
    for (key, value) in table {
        above.push(key.get_ref().to_string());
        places.push(Place {
            path: above.clone(),
            key: key.span(),
            value: value.span(),
        });
        if let DeValue::Table(table) = value.get_ref() {
            remember(table, above, places);
        }
        above.pop();
    }
}
