//! The machine's rules, by example and by chance.
