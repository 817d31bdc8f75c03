//! PLAIN (RFC 4616) and LOGIN as devices speak them.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::Credentials;

/// The prompts of AUTH LOGIN in base64; some devices compare them letter by letter.
pub const USERNAME_PROMPT: &str = "VXNlcm5hbWU6";
/// See [`USERNAME_PROMPT`].
pub const PASSWORD_PROMPT: &str = "UGFzc3dvcmQ6";

/// Old devices forget the padding or leave stray bits in the last letter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a device sent is not what the mechanism asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Decodes one base64 response; blanks around it are ignored, `=` alone is an empty response.
pub fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    let response = response.trim_ascii();
    if response == b"=" {
        return Ok(Zeroizing::default());
    }
    LENIENT
        .decode(response)
        .map(Zeroizing::new)
        .map_err(|_| Malformed)
}

/// Reads a decoded PLAIN response: authorisation identity, NUL, login, NUL, password.
pub fn plain(response: &[u8]) -> Result<Credentials, Malformed> {
    let mut parts = response.splitn(3, |&b| b == 0);
    let (Some(authorization), Some(login), Some(password)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed);
    };
    if login.is_empty() || password.contains(&0) {
        return Err(Malformed);
    }
    Ok(Credentials::authorized_as(authorization, login, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_with_and_without_an_authorisation_identity() {
        assert_eq!(plain(b"\0u@x\0p w"), Ok(Credentials::new(b"u@x", b"p w")));
        assert_eq!(
            plain(b"shared@x\0u@x\0pw"),
            Ok(Credentials::authorized_as(b"shared@x", b"u@x", b"pw")),
        );
        assert_eq!(plain(b"u@x\0u@x\0pw").map(|c| c.authorization), Ok(None));
    }

    #[test]
    fn plain_without_its_separators_is_malformed() {
        for bad in [&b""[..], b"u", b"\0u", b"\0\0pw", b"\0u\0p\0w"] {
            assert_eq!(plain(bad), Err(Malformed));
        }
    }

    #[test]
    fn base64_is_read_with_or_without_padding() {
        assert_eq!(decode(b"dXNlcg==").unwrap().as_slice(), b"user");
        assert_eq!(decode(b" dXNlcg \t").unwrap().as_slice(), b"user");
        assert_eq!(decode(b"=").unwrap().as_slice(), b"");
        assert!(decode(b"not base64!").is_err());
    }
}
