//! Runs the real `portreeve` beside the fakes, and talks to it as devices and admins do.
//!
//! Nothing here knows the daemon's inside: it is a process with a configuration file, a state folder,
//! a command line and ports.

mod binary;
mod client;
mod command;
mod notify;
mod portreeve;
mod process;
pub mod secrets;
mod setup;
mod world;

pub use binary::portreeve_binary;
pub use client::{Client, plain_response};
pub use command::Said;
pub use portreeve::Portreeve;
pub use setup::Setup;
pub use world::{Device, World};
