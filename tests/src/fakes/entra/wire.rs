//! The texts of Entra's answers.

use crate::fakes::guid;
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// An error before it gets its trace id and its time.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) error: String,
    pub(super) code: u32,
    pub(super) text: String,
    pub(super) suberror: Option<String>,
}

impl Failure {
    pub(super) fn new(status: u16, error: &str, code: u32, text: &str) -> Self {
        Self {
            status,
            error: error.to_owned(),
            code,
            text: text.to_owned(),
            suberror: None,
        }
    }

    pub(super) fn pending() -> Self {
        Self::new(
            400,
            "authorization_pending",
            70016,
            "Pending end-user authorization.",
        )
    }

    pub(super) fn declined() -> Self {
        let text = "User declined to continue with the sign-in.";
        Self::new(400, "authorization_declined", 0, text)
    }

    pub(super) fn expired() -> Self {
        let text = "The verification code expired before contacting the server.";
        Self::new(400, "expired_token", 70019, text)
    }

    pub(super) fn bad_code() -> Self {
        let text = "The device_code value is not recognized.";
        Self::new(400, "bad_verification_code", 0, text)
    }

    pub(super) fn redeemed() -> Self {
        let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid \
                    code or use an existing refresh token.";
        Self::new(400, "invalid_grant", 54005, text)
    }

    pub(super) fn revoked() -> Self {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is \
                    needed. The user might have changed or reset their password.";
        Self::new(400, "invalid_grant", 50173, text)
    }

    pub(super) fn unknown_refresh_token() -> Self {
        let text = "The provided authorization code or refresh token has expired due to inactivity \
                    or was revoked. Send a new interactive authorization request for this user and \
                    resource.";
        Self::new(400, "invalid_grant", 70008, text)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(400, "invalid_request", 900_144, &text)
    }

    pub(super) fn bad_scope(scope: &str) -> Self {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for \
             the input parameter 'scope' is not valid. The scope '{scope}' is not valid."
        );
        Self::new(400, "invalid_scope", 70011, &text)
    }

    pub(super) fn bad_grant_type(grant: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        Self::new(400, "unsupported_grant_type", 70003, &text)
    }

    pub(super) fn secret_missing() -> Self {
        let text = "The request body must contain the following parameter: 'client_assertion' or \
                    'client_secret'.";
        Self::new(401, "invalid_client", 7_000_218, text)
    }

    pub(super) fn secret_wrong() -> Self {
        let text = "Invalid client secret provided. Ensure the secret being sent in the request is \
                    the client secret value, not the client secret ID.";
        Self::new(401, "invalid_client", 7_000_215, text)
    }

    fn body(&self) -> Value {
        let (trace, correlation) = (guid(), guid());
        let time = Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let number = match self.code {
            0 => String::new(),
            code => format!("AADSTS{code}: "),
        };
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "{number}{}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}",
                self.text
            ),
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        if self.code != 0 {
            body["error_codes"] = json!([self.code]);
        }
        if let Some(suberror) = &self.suberror {
            body["suberror"] = json!(suberror);
        }
        body
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        json_answer(self.status, &self.body())
    }
}

/// A JSON answer with the headers that Entra sends.
pub(super) fn json_answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-cache"),
        (header::PRAGMA, "no-cache"),
    ];
    (status, headers, body.to_string()).into_response()
}
