//! Who may speak: devices and their passwords, sign-ins, tokens, and reasons why there is none.
//!
//! [`Gate`] answers who a device is, without the network. [`Broker`] answers "a token for this
//! mailbox" with a token or a [`Reason`]. [`SignIns`] gets a grant from a person by device code.
//! This crate knows no mail: not what a device is told, nor how a token reaches the exchange.

mod broker;
mod clock;
mod discovery;
mod entra;
mod gate;
mod grants;
mod http;
mod id_token;
mod identity;
mod loose;
mod oauth;
mod provider;
mod reason;
mod sign_in;
#[cfg(test)]
mod testing;
mod token;

pub use broker::{Broker, Health};
pub use gate::{
    Admitted, Gate, GateError, GateLimits, Login, NewPassword, Protocol, Turned, TurnedCause,
    WantedDevice,
};
pub use http::{Http, HttpError, check_endpoint};
pub use portreeve_state::{
    Binding, Device, DeviceId, Grant, GrantFor, GrantId, Mailbox, MailboxId, NewGrant, Password,
    Removed, SignInId, Store, StoreError,
};
pub use provider::{Provider, ProviderKind, Providers, ProvidersWatch};
pub use reason::{Reason, ReasonKind};
pub use sign_in::{BoxFuture, Prove, SignIn, SignInState, SignIns, Unproved};
pub use token::{AccessToken, Audience, MinLife};
