//! The gate on a real store.
