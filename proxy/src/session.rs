//! One device's connection, from accept to its last byte.
//!
//! [`retrieval`] is IMAP and POP3: login, then a byte pipe. [`smtp`] is a conversation of
//! transactions. Both drive the values of `portreeve-protocols` with [`driver`], and here reasons
//! become the words that a device hears.

pub(crate) mod driver;
mod limits;
mod login;
mod pipe;
mod retrieval;
pub(crate) mod scratch;
mod smtp;

use std::{sync::Arc, time::Duration};

use portreeve_auth::{Gate, Protocol};
use portreeve_protocols::{imap, pop3};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, door::Connection, upstream::Upstream};

/// What every session shares.
pub(crate) struct Context {
    pub(crate) config: watch::Receiver<Arc<Config>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) upstream: Arc<Upstream>,
    /// The daemon was told to stop.
    pub(crate) stop: CancellationToken,
}

/// Serves a connection to its end and writes its summary line.
pub(crate) async fn serve(connection: Connection, context: Arc<Context>) {
    // Boxed one after the other: a session costs the memory of the phase it is in.
    match connection.listener.protocol {
        Protocol::Imap => retrieval::serve::<imap::device::Device>(connection, context).await,
        Protocol::Pop3 => retrieval::serve::<pop3::device::Device>(connection, context).await,
        Protocol::Smtp => Box::pin(smtp::serve(connection, context)).await,
    }
}

/// How long the last words to a device may take.
const LAST_WORDS: Duration = Duration::from_secs(5);
