//! What a grant wants stored, and what it cannot be sure is stored.
//!
//! The store's answer decides; this only names the cases.

use secrecy::{ExposeSecret, SecretString};

/// How many tokens are remembered that the store may or may not have.
const LINEAGE_LIMIT: usize = 16;

/// What must be stored before a flight lands.
pub(crate) enum Save {
    Replace {
        generation: i64,
        token: SecretString,
    },
    Confirm {
        generation: i64,
    },
    Swap {
        generation: i64,
    },
    Trouble {
        generation: i64,
    },
}

/// What is left to do after a save.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterSave {
    Nothing,
    /// The store has another generation: look what it holds.
    Reload,
}

/// Tokens that are not known to be in the store.
#[derive(Default)]
pub(crate) struct Unsaved {
    pub(crate) words: String,
    /// Everything that was tried to be saved since the last certain save.
    lineage: Vec<SecretString>,
}

impl Unsaved {
    pub(crate) fn push(&mut self, token: SecretString) {
        if self.knows(&token) {
            return;
        }
        if self.lineage.len() == LINEAGE_LIMIT {
            self.lineage.remove(0);
        }
        self.lineage.push(token);
    }

    /// Whether this token is one of them.
    pub(crate) fn knows(&self, token: &SecretString) -> bool {
        self.lineage.iter().any(|known| same(known, token))
    }
}

pub(crate) fn same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_outage_is_remembered_within_bounds() {
        let mut unsaved = Unsaved::default();
        let token = |n: usize| SecretString::from(format!("RT{n}"));
        for _ in 0..100 {
            unsaved.push(token(0));
        }
        assert_eq!(unsaved.lineage.len(), 1);
        for n in 0..100 {
            unsaved.push(token(n));
        }
        assert_eq!(unsaved.lineage.len(), LINEAGE_LIMIT);
        assert!(unsaved.knows(&token(99)) && !unsaved.knows(&token(0)));
    }
}
