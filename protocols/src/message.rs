//! Messages (RFC 5322): what can be said about one from its bytes alone.

pub mod head;
