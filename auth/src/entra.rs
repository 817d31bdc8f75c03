//! What Microsoft Entra ID's answers mean.
//!
//! Pure: an answer in, a [`Reason`] out. Classification goes by the OAuth code and the AADSTS numbers,
//! never by wording (Microsoft changes it).

mod classify;
mod codes;

pub(crate) use classify::{classify, unreachable};
