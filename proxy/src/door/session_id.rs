//! The id that ties a session's log lines together and that a device hears in a refusal.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Twelve characters: the first five count seconds, so that ids of one year sort by time; the other
/// seven are random, so that two of the same second differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; LENGTH]);

const LENGTH: usize = 12;
const RANDOM_BITS: u32 = 35;
/// Without `i`, `l`, `o` and `u`: people read these ids to each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl SessionId {
    /// A fresh id.
    pub(crate) fn new() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut random = [0; 8];
        // The ids only have to differ; without randomness the time alone must do.
        let _ = aws_lc_rs::rand::fill(&mut random);
        Self::from_parts(seconds, u64::from_be_bytes(random))
    }

    fn from_parts(seconds: u64, random: u64) -> Self {
        let number = (seconds << RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1));
        let mut text = [0; LENGTH];
        for (index, character) in text.iter_mut().rev().enumerate() {
            *character = ALPHABET[(number >> (5 * index) & 31) as usize];
        }
        Self(text)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_id_sorts_later() {
        let early = SessionId::from_parts(1_795_000_000, u64::MAX).to_string();
        let late = SessionId::from_parts(1_795_000_001, 0).to_string();
        assert_eq!(early.len(), LENGTH);
        assert!(early < late, "{early} {late}");
    }

    #[test]
    fn ids_of_one_second_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| SessionId::new()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
