//! What is remembered: grants, mailboxes, devices, sign-ins, settings and the audit trail.
//!
//! One database in a locked state folder, and a vault that seals every secret in it. This crate
//! knows no mail and no OAuth: it stores what it is given, checks who may overwrite what, and
//! judges nothing.
//!
//! # Layout
//! * [`Store`]: opening, one writer, a few readers. Each table's operations are in its own file.
//! * [`folder`](self): the state folder, its modes and its lock.
//! * [`vault`](self): the master key and the sealing of values.
//!
//! Times are [`Millis`]; those that the store sets itself come from the database's clock.

mod audit;
mod device;
mod error;
mod folder;
mod grant;
mod id;
mod mailbox;
mod migrations;
mod setting;
mod sign_in;
mod sql;
mod store;
mod vault;

#[cfg(test)]
mod tests;

pub use audit::{AuditEntry, AuditRecord};
pub use device::{Binding, Device, NewDevice, Password};
pub use error::{OpenError, StoreError};
pub use grant::{Grant, NewGrant, Pin, RefreshTokens, Saved, Trouble};
pub use id::{DeviceId, GrantId, MailboxId, SignInId};
pub use mailbox::{GrantFor, Mailbox, Removed};
pub use sign_in::{Begun, Finish, Finished, NewSignIn, SignIn, SignInStatus};
pub use store::Store;
pub use vault::{DerivedKey, KeyId, KeySource};

/// Milliseconds since 1970-01-01 00:00 UTC.
pub type Millis = i64;
