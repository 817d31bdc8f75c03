//! Who a device is: its login, its password, where it comes from, and which mailbox it may use.
//!
//! Devices, bindings and mailboxes are held in memory, and every change goes through here: to the
//! store first, then to memory. The network is never touched, and what a device is told about its
//! failure is decided elsewhere.

mod change;
mod chosen;
mod limits;
mod login;
mod member;
mod password;
mod roster;
mod throttle;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Instant;

use portreeve_state::{Password, Store, StoreError};

pub use change::{GateError, NewPassword, WantedDevice};
pub use limits::GateLimits;
pub use login::{Admitted, Login, Protocol, Turned, TurnedCause};

use chosen::Chosen;
use member::Member;
use password::Generated;
use roster::Roster;
use throttle::Throttle;

/// Decides who may log in.
pub struct Gate {
    store: Store,
    roster: Roster,
    generated: Generated,
    chosen: Chosen,
    throttle: Throttle,
    /// One change at a time, so that memory follows the store.
    changing: tokio::sync::Mutex<()>,
}

impl Gate {
    /// Reads devices, bindings and mailboxes into memory; default limits.
    pub async fn open(store: Store) -> Result<Self, StoreError> {
        Self::with_limits(store, GateLimits::default()).await
    }

    /// Reads devices, bindings and mailboxes into memory.
    pub async fn with_limits(store: Store, limits: GateLimits) -> Result<Self, StoreError> {
        Ok(Self {
            roster: Roster::load(&store).await?,
            generated: Generated::new(&store.derive_key("device-password")),
            chosen: Chosen::new(limits.hash_queue),
            throttle: Throttle::new(limits),
            changing: tokio::sync::Mutex::new(()),
            store,
        })
    }

    /// Other limits from now on; failures are not forgotten.
    pub fn set_limits(&self, limits: GateLimits) {
        self.throttle.set_limits(limits);
        self.chosen.set_queue(limits.hash_queue);
    }

    /// Checks a login. No network; a generated password costs one HMAC.
    ///
    /// After an `Err` the caller waits for `delay` before it answers the device.
    pub async fn admit(
        &self,
        login: Login<'_>,
        peer: IpAddr,
        protocol: Protocol,
    ) -> Result<Admitted, Turned> {
        let peer = peer.to_canonical();
        if let Some(delay) = self.throttle.refuses(peer, Instant::now()) {
            return Err(Turned {
                cause: TurnedCause::TooManyFailures,
                delay,
            });
        }
        match self.decide(&login, peer, protocol).await {
            Ok(admitted) => {
                self.throttle.succeeded(peer, login.user);
                Ok(admitted)
            }
            Err(cause) => Err(Turned {
                delay: if cause.is_guess() {
                    self.throttle.failed(peer, login.user, Instant::now())
                } else {
                    self.throttle.pause()
                },
                cause,
            }),
        }
    }

    /// A device without a password, known by the network that it comes from.
    pub fn recognise(&self, peer: IpAddr, protocol: Protocol) -> Option<Admitted> {
        self.roster.by_network(peer.to_canonical(), protocol)
    }

    async fn decide(
        &self,
        login: &Login<'_>,
        peer: IpAddr,
        protocol: Protocol,
    ) -> Result<Admitted, TurnedCause> {
        let member = self.roster.by_login(login.user);
        let right = self
            .check_password(member.as_deref(), peer, login.password)
            .await?;
        let member = member.ok_or(TurnedCause::UnknownLogin)?;
        if !right {
            return Err(TurnedCause::WrongPassword);
        }
        member.admit(login, peer, protocol)
    }

    /// A wrong login costs the same whether its user exists or not, and whichever kind of password
    /// that user has: one HMAC, and one slow hash where any device has one.
    async fn check_password(
        &self,
        member: Option<&Member>,
        peer: IpAddr,
        password: &[u8],
    ) -> Result<bool, TurnedCause> {
        let (tag, hash) = match member.map(|member| (member, &member.device.password)) {
            Some((_, Password::Generated(tag))) => (Some(tag), None),
            Some((member, Password::Chosen(hash))) => (None, Some((&member.device.id, hash))),
            // The network is the identity of a device without a password.
            Some((member, Password::None)) if member.is_known_by(peer) => return Ok(true),
            Some((_, Password::None)) | None => (None, None),
        };
        if self.generated.verify(tag, password) {
            return Ok(true);
        }
        if hash.is_none() && !self.roster.any_chosen() {
            return Ok(false);
        }
        self.chosen.verify(hash, password).await
    }
}
