//! What the end-to-end tests, the sandbox and the benchmark share: the two fakes, and a harness that
//! runs the real `portreeve` beside them.
//!
//! Nothing here is linked into the product, and nothing here depends on one of its rooms: the daemon
//! is used as its users use it, by its command line and its ports.

#![expect(
    clippy::missing_panics_doc,
    reason = "a helper of tests reports a failure by panicking, in words"
)]

pub mod fakes;
pub mod harness;
pub mod servers;
