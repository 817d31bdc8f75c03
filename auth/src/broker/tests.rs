//! The broker against a scripted token endpoint.
