//! No log holds a password, a token, a code or the text of a message.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Put this into the body of a message: it must never turn up in a log.
pub const BODY_MARKER: &str = "body-marker-4f1d9c-never-in-a-log";

/// Shorter texts turn up by accident.
const SHORTEST: usize = 6;

/// Fails if one of the secrets stands in the text, as it is or in base64.
pub fn assert_none_in(text: &str, secrets: &[String]) {
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        for form in forms(secret) {
            if let Some(place) = text.find(&form) {
                let line = text[..place].matches('\n').count();
                let line = text.lines().nth(line).unwrap_or_default();
                panic!("a secret stands in the log, in this line:\n{line}");
            }
        }
    }
}

/// A secret as it is, and the part of its base64 that does not depend on what stands around it, for
/// each of the three places where it may begin.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for lead in 0..3 {
        let mut bytes = vec![0; lead];
        bytes.extend_from_slice(secret.as_bytes());
        let encoded = STANDARD.encode(&bytes[..bytes.len() / 3 * 3]);
        let inner = &encoded[if lead == 0 { 0 } else { 4 }..];
        if inner.len() >= 8 {
            forms.push(inner.to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::assert_none_in;
    use base64::{Engine, engine::general_purpose::STANDARD};

    #[test]
    fn a_log_without_secrets_passes() {
        assert_none_in("INFO session 17 ended", &["hunter2hunter2".to_owned()]);
    }

    #[test]
    #[should_panic(expected = "a secret stands in the log")]
    fn a_secret_is_found_as_it_is() {
        assert_none_in("login with hunter2hunter2", &["hunter2hunter2".to_owned()]);
    }

    #[test]
    #[should_panic(expected = "a secret stands in the log")]
    fn a_secret_is_found_inside_of_base64() {
        let line = STANDARD.encode("\0scanner\0hunter2hunter2");
        assert_none_in(&line, &["hunter2hunter2".to_owned()]);
    }
}
