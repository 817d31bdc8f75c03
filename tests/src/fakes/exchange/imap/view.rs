//! A selected folder as one session sees it: numbers that change only when the client is told.

use super::super::{store::Mailbox, wire::Wire};
use std::collections::BTreeSet;

pub(super) struct View {
    pub(super) folder: String,
    pub(super) read_only: bool,
    /// The message at each place, by its lasting number.
    pub(super) uids: Vec<u32>,
}

impl View {
    /// Tells the client what has come and gone since it was last told.
    pub(super) fn tell_changes(&mut self, wire: &mut Wire, mailbox: &Mailbox) {
        let now = uids(mailbox, &self.folder);
        let left: BTreeSet<_> = now.iter().copied().collect();
        for place in (0..self.uids.len()).rev() {
            if !left.contains(&self.uids[place]) {
                self.uids.remove(place);
                wire.say(&format!("* {} EXPUNGE", place + 1));
            }
        }
        if now.len() != self.uids.len() {
            self.uids = now;
            wire.say(&format!("* {} EXISTS", self.uids.len()));
        }
    }

    /// The places (from 0) that a set such as `1:3,7,9:*` names.
    pub(super) fn places(&self, set: &str, by_uid: bool) -> Option<Vec<usize>> {
        let highest = if by_uid {
            self.uids.last().copied().unwrap_or(0)
        } else {
            u32::try_from(self.uids.len()).ok()?
        };
        let number = |text: &str| match text {
            "*" => Some(highest),
            text => text.parse::<u32>().ok(),
        };
        let mut ranges = Vec::new();
        for part in set.split(',') {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let (from, to) = (number(from)?, number(to)?);
            ranges.push(from.min(to)..=from.max(to));
        }
        let places = (0..self.uids.len()).filter(|place| {
            let number = if by_uid {
                self.uids[*place]
            } else {
                u32::try_from(place + 1).unwrap_or(u32::MAX)
            };
            ranges.iter().any(|range| range.contains(&number))
        });
        Some(places.collect())
    }
}

/// The lasting numbers of a folder's messages.
pub(super) fn uids(mailbox: &Mailbox, folder: &str) -> Vec<u32> {
    mailbox
        .with(folder, |folder| {
            folder.messages.iter().map(|message| message.uid).collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::View;

    #[test]
    fn sets_name_places() {
        let view = View {
            folder: "INBOX".into(),
            read_only: false,
            uids: vec![3, 5, 8],
        };
        assert_eq!(view.places("1:*", false), Some(vec![0, 1, 2]));
        assert_eq!(view.places("2,9", false), Some(vec![1]));
        assert_eq!(view.places("4:6", true), Some(vec![1]));
        assert_eq!(view.places("9:*", true), Some(vec![2]));
        assert_eq!(view.places("x", true), None);
    }
}
