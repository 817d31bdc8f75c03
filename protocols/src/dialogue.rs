//! The shape that all conversations share.

use crate::Trace;

/// A conversation as a value: bytes in; bytes and events out.
///
/// The owner calls [`next`](Dialogue::next) until it says [`Action::Read`], reads some bytes, hands
/// them to [`receive`](Dialogue::receive), and so on. How the input is cut into pieces never changes
/// what comes out.
pub trait Dialogue {
    /// What the owner has to decide or to know.
    type Event;

    /// Takes bytes from the peer. They stay uninterpreted while an event waits for its answer.
    ///
    /// Call it only after [`Action::Read`] and with at most a few kilobytes: what a dialogue
    /// buffers is then bounded by its own limits plus one read.
    fn receive(&mut self, bytes: &[u8]);

    /// Says what to do now.
    fn next(&mut self) -> Action<Self::Event>;

    /// Ends the dialogue; what the peer had already sent belongs to whatever comes next.
    fn into_leftover(self) -> Vec<u8>;

    /// The dialogue in words, credentials and bodies left out.
    fn trace(&mut self) -> &mut Trace;
}

/// What the owner of a dialogue does next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Action<E> {
    /// Read from the peer and call [`Dialogue::receive`].
    Read,
    /// Write all of these bytes to the peer.
    Write(Vec<u8>),
    /// Take up TLS on the connection, then call the dialogue's `tls_started`.
    StartTls,
    /// Something the owner must answer by one of the dialogue's named methods, unless the event's
    /// own documentation says otherwise.
    Event(E),
    /// An event waits for its answer.
    Wait,
    /// The dialogue is over: flush, then close the connection politely.
    Close,
}

/// How well the connection under a device's dialogue is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// TLS is up.
    Encrypted,
    /// No TLS; `upgrade` says that STARTTLS or STLS is offered, `login` that a password may be
    /// taken all the same.
    Plain {
        /// Whether STARTTLS or STLS is offered.
        upgrade: bool,
        /// Whether a login is taken without TLS.
        login: bool,
    },
}

/// How TLS comes about on the connection to the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamTls {
    /// TLS was up before the first byte of the dialogue.
    Implicit,
    /// The dialogue asks for TLS; nothing secret goes out before.
    StartTls,
}

impl Channel {
    /// Whether a password may be taken on this channel.
    pub fn takes_login(self) -> bool {
        matches!(self, Self::Encrypted | Self::Plain { login: true, .. })
    }

    /// Whether STARTTLS or STLS is offered on this channel.
    pub fn offers_upgrade(self) -> bool {
        matches!(self, Self::Plain { upgrade: true, .. })
    }
}
