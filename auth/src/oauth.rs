//! What a token endpoint answers, read tolerantly.
//!
//! Numbers may come as text, an error may come with status 200, a page may come instead of JSON, and
//! no field can be relied on (RFC 6749 section 5; Entra's own fields). What an answer *means* for the
//! mailbox is decided elsewhere.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::http::Answer;
use crate::loose::{Text, Texts};

/// The life of a token whose issuer does not say it, or says something that cannot be.
const DEFAULT_LIFE: Duration = Duration::from_hours(1);

/// No issuer's access tokens live longer (Entra: 28 hours at most).
const LIFE_LIMIT: Duration = Duration::from_hours(48);

/// How much of a server's own words is kept for the log.
const WORDS_LIMIT: usize = 400;

/// An answer of a token endpoint.
#[derive(Debug)]
pub(crate) enum TokenAnswer {
    Granted(Granted),
    Refused(Refused),
}

/// Tokens.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
    pub(crate) life: Duration,
}

/// No tokens: everything that says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The OAuth code; empty when the answer was no OAuth answer at all.
    pub(crate) error: String,
    /// The AADSTS numbers.
    pub(crate) codes: Vec<u32>,
    pub(crate) suberror: String,
    /// The server asks for a step-up (a claims challenge).
    pub(crate) claims: bool,
    /// Trace and correlation ids and the time, as Microsoft's support wants them.
    pub(crate) trace: Option<String>,
}

impl TokenAnswer {
    pub(crate) fn read(answer: &Answer) -> Self {
        let Ok(mut fields) = serde_json::from_slice::<Fields>(&answer.body) else {
            return Self::Refused(Refused {
                status: answer.status,
                retry_after: answer.retry_after,
                ..Refused::default()
            });
        };
        let granted = (200..300).contains(&answer.status) && fields.error.0.is_none();
        match fields
            .access_token
            .0
            .take()
            .filter(|token| !token.is_empty())
        {
            Some(token) if granted => Self::Granted(Granted {
                access_token: token.into(),
                refresh_token: secret(fields.refresh_token),
                id_token: secret(fields.id_token),
                life: life(&fields.expires_in),
            }),
            _ => Self::Refused(fields.refusal(answer)),
        }
    }
}

/// The `error` of any JSON answer, also of one with status 200; `None` where there is none.
pub(crate) fn refusal(answer: &Answer) -> Option<Refused> {
    match serde_json::from_slice::<Fields>(&answer.body) {
        Ok(fields) if fields.error.0.is_none() && (200..300).contains(&answer.status) => None,
        Ok(fields) => Some(fields.refusal(answer)),
        Err(_) => Some(Refused {
            status: answer.status,
            retry_after: answer.retry_after,
            ..Refused::default()
        }),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    access_token: Text,
    refresh_token: Text,
    id_token: Text,
    expires_in: Text,
    error: Text,
    error_description: Text,
    error_codes: Texts,
    suberror: Text,
    claims: Text,
    timestamp: Text,
    trace_id: Text,
    correlation_id: Text,
}

impl Fields {
    fn refusal(self, answer: &Answer) -> Refused {
        let description = self.error_description.0.unwrap_or_default();
        let mut codes: Vec<u32> = self
            .error_codes
            .0
            .iter()
            .filter_map(|c| c.parse().ok())
            .collect();
        if codes.is_empty() {
            codes.extend(aadsts(&description));
        }
        let trace: Vec<String> = [
            ("trace", self.trace_id),
            ("correlation", self.correlation_id),
            ("at", self.timestamp),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", plain(&value.0?))))
        .collect();
        Refused {
            status: answer.status,
            retry_after: answer.retry_after,
            error: plain(&self.error.0.unwrap_or_default()),
            codes,
            suberror: plain(&self.suberror.0.unwrap_or_default()),
            claims: self.claims.0.is_some(),
            trace: (!trace.is_empty()).then(|| trace.join(", ")),
        }
    }
}

/// The first `AADSTSnnnnn` of a description.
fn aadsts(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest.get(..digits)?.parse().ok()
}

fn life(expires_in: &Text) -> Duration {
    expires_in
        .0
        .as_deref()
        .and_then(|text| text.trim().parse::<f64>().ok())
        .filter(|seconds| *seconds >= 1.0)
        .map_or(DEFAULT_LIFE, |seconds| {
            Duration::try_from_secs_f64(seconds.floor())
                .unwrap_or(LIFE_LIMIT)
                .min(LIFE_LIMIT)
        })
}

fn secret(text: Text) -> Option<SecretString> {
    text.0.filter(|text| !text.is_empty()).map(Into::into)
}

/// A server's words made safe for one line of a log.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        })
        .take(WORDS_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use zeroize::Zeroizing;

    fn read(status: u16, body: &str) -> TokenAnswer {
        TokenAnswer::read(&Answer {
            status,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        })
    }

    fn granted(body: &str) -> Granted {
        match read(200, body) {
            TokenAnswer::Granted(granted) => granted,
            TokenAnswer::Refused(refused) => panic!("{refused:?}"),
        }
    }

    fn refused(status: u16, body: &str) -> Refused {
        match read(status, body) {
            TokenAnswer::Granted(_) => panic!("granted"),
            TokenAnswer::Refused(refused) => refused,
        }
    }

    #[test]
    fn a_life_that_cannot_be_is_an_hour() {
        let life = |value: &str| {
            granted(&format!(r#"{{"access_token":"a","expires_in":{value}}}"#))
                .life
                .as_secs()
        };
        assert_eq!(life("3599"), 3599);
        assert_eq!(life("\"3599\""), 3599);
        assert_eq!(life("3599.7"), 3599);
        for bad in ["0", "-1", "\"soon\"", "null", "[]", "{}", "\"NaN\"", "\"\""] {
            assert_eq!(life(bad), 3600, "{bad}");
        }
        assert_eq!(life("1e300"), LIFE_LIMIT.as_secs());
        assert_eq!(granted(r#"{"access_token":"a"}"#).life.as_secs(), 3600);
    }

    #[test]
    fn entras_error_with_all_fields() {
        let refused = refused(
            400,
            r#"{"error":"invalid_grant","error_description":"AADSTS50173: The provided grant has expired.\r\nTrace ID: t\r\nCorrelation ID: c","error_codes":[50173],"timestamp":"2026-01-02 03:04:05Z","trace_id":"t","correlation_id":"c","suberror":"bad_token","claims":"{}"}"#,
        );
        assert_eq!(refused.error, "invalid_grant");
        assert_eq!(refused.codes, [50173]);
        assert_eq!(refused.suberror, "bad_token");
        assert!(refused.claims);
        assert_eq!(
            refused.trace.as_deref(),
            Some("trace t, correlation c, at 2026-01-02 03:04:05Z")
        );
    }

    #[test]
    fn codes_as_text_alone_or_only_in_the_words() {
        let codes = |body: &str| refused(400, body).codes;
        assert_eq!(codes(r#"{"error":"x","error_codes":["70043"]}"#), [70043]);
        assert_eq!(codes(r#"{"error":"x","error_codes":"70043"}"#), [70043]);
        assert_eq!(codes(r#"{"error":"x","error_codes":70043}"#), [70043]);
        let words = r#"{"error":"x","error_description":"AADSTS9001023: no"}"#;
        assert_eq!(codes(words), [9_001_023]);
        let none = r#"{"error":"x","error_description":"AADSTS: no"}"#;
        assert!(codes(none).is_empty());
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        let refused = refused(200, r#"{"error":"server_error","access_token":"a"}"#);
        assert_eq!(refused.error, "server_error");
    }

    #[test]
    fn a_page_or_half_an_answer_is_no_answer() {
        for body in [
            "<html>busy</html>",
            "",
            r#"{"access_token":"abc"#,
            "[]",
            "17",
        ] {
            assert_eq!(refused(200, body).error, "", "{body}");
        }
        assert_eq!(refused(200, r#"{"access_token":""}"#).error, "");
        assert_eq!(refused(200, r#"{"access_token":["a"]}"#).error, "");
    }

    #[test]
    fn tokens_do_not_show() {
        let body = r#"{"access_token":"geheim","refresh_token":"geheim","id_token":"geheim"}"#;
        assert_eq!(
            granted(body).refresh_token.unwrap().expose_secret(),
            "geheim"
        );
        assert!(!format!("{:?}", granted(body)).contains("geheim"));
    }

    proptest! {
        #[test]
        fn no_body_panics(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let answer = Answer { status, retry_after: None, body: Zeroizing::new(body) };
            let _ = TokenAnswer::read(&answer);
            let _ = refusal(&answer);
        }

        #[test]
        fn no_description_panics(words in "\\PC*(AADSTS)?[0-9]{0,12}\\PC*") {
            let _ = aadsts(&words);
        }
    }
}
