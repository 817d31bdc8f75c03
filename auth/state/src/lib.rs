//! auth/state
