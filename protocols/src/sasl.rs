//! What the SASL mechanisms say, whatever protocol carries it.
//!
//! [`server`] reads what devices send (PLAIN, LOGIN) and [`conversation`] asks for it step by step;
//! [`bearer`] writes what the exchange wants (XOAUTH2, OAUTHBEARER).

pub mod bearer;
pub mod conversation;
pub mod server;
