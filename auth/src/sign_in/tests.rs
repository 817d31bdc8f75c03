//! Sign-ins against a scripted provider.
