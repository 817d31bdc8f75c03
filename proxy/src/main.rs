//! The daemon and command `portreeve`.
fn main() {}
