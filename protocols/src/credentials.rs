//! What a device typed to log in.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};

/// A user name and a password, exactly as the device sent them.
pub struct Credentials {
    /// The user name. Bytes that are not UTF-8 become U+FFFD, which no configured name contains.
    pub login: String,
    /// The SASL authorisation identity, where one was given and differs from the login.
    pub authorization: Option<String>,
    password: SecretSlice<u8>,
}

impl Credentials {
    /// Credentials without an authorisation identity.
    pub fn new(login: &[u8], password: &[u8]) -> Self {
        Self::authorized_as(&[], login, password)
    }

    /// Credentials as SASL PLAIN has them (RFC 4616): authorisation identity, login, password.
    pub fn authorized_as(authorization: &[u8], login: &[u8], password: &[u8]) -> Self {
        let login = String::from_utf8_lossy(login).into_owned();
        let authorization = String::from_utf8_lossy(authorization).into_owned();
        Self {
            authorization: (!authorization.is_empty() && authorization != login)
                .then_some(authorization),
            login,
            password: SecretSlice::from(password.to_vec()),
        }
    }

    /// The password, byte for byte.
    pub fn password(&self) -> &[u8] {
        self.password.expose_secret()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("login", &self.login)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

/// For tests: transcripts compare the events they expect.
impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.login == other.login
            && self.authorization == other.authorization
            && self.password() == other.password()
    }
}

impl Eq for Credentials {}
