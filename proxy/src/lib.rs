//! Where it flows: the daemon and command `portreeve`.
//!
//! # Layout
//! * [`config`]: the file, presets, `check`.
//! * [`door`]: accept, detection, PROXY header, TLS, limits.
//! * [`session`]: one device's connection from greeting to end.
//! * [`upstream`]: the way to the exchange.
//! * [`control`]: what an admin can do, one function each; [`cli`] only parses and shows.
//! * [`watch`]: log lines.
//! * [`daemon`]: the order of start and stop.

mod cli;
mod config;
mod control;
mod daemon;
mod door;
mod session;
mod upstream;
mod watch;

pub use cli::main;
