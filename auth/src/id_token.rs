//! Claims of an `id_token` that came straight from the token endpoint.
//!
//! It came over TLS from the party that would have signed it, so the signature is not checked
//! (OIDC Core section 3.1.3.7, number 6); issuer, audience, end and tenant are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::provider::{Provider, ProviderKind};

/// How far two clocks may differ.
const SKEW_MILLIS: i64 = 5 * 60 * 1000;

/// Who signed in, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// `tid`, elsewhere `iss`: never changes.
    pub(crate) issuer: String,
    /// `oid`, elsewhere `sub`: never changes.
    pub(crate) subject: String,
    /// For people, and for the first sign-in only. Never the e-mail claim, which any tenant's admin
    /// can set to anything.
    pub(crate) account: Option<String>,
}

/// Why an `id_token` is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadIdToken {
    #[error("it is no token")]
    Malformed,
    #[error("it is for another app registration")]
    Audience,
    #[error("it is from another issuer")]
    Issuer,
    #[error("it is from another tenant than the one configured")]
    Tenant,
    #[error("it has expired; check the clock of this machine")]
    Expired,
    #[error("it does not say who signed in")]
    Nobody,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    exp: Value,
    tid: Option<String>,
    oid: Option<String>,
    sub: Option<String>,
    preferred_username: Option<String>,
    upn: Option<String>,
}

impl Claims {
    /// `issuer` is the expected one, where it is known; `now` is the wall clock in milliseconds.
    pub(crate) fn read(
        id_token: &SecretString,
        provider: &Provider,
        issuer: Option<&str>,
        now: i64,
    ) -> Result<Self, BadIdToken> {
        let payload = payload(id_token.expose_secret()).ok_or(BadIdToken::Malformed)?;
        let client = provider.client_id.as_deref().unwrap_or_default();
        if !is_for(&payload.aud, client) {
            return Err(BadIdToken::Audience);
        }
        let exp = payload.exp.as_f64().ok_or(BadIdToken::Malformed)?;
        // Both sides fit: a float holds every millisecond of the next 200,000 years.
        #[expect(clippy::cast_precision_loss)]
        if exp * 1000.0 < (now - SKEW_MILLIS) as f64 {
            return Err(BadIdToken::Expired);
        }
        let account = payload.preferred_username.clone().or(payload.upn.clone());
        let (issuer, subject) = match provider.kind {
            ProviderKind::Entra => entra(payload, provider, issuer)?,
            ProviderKind::Oidc => oidc(payload, issuer)?,
        };
        Ok(Self {
            issuer,
            subject,
            account: account.filter(|name| !name.is_empty() && !name.chars().any(char::is_control)),
        })
    }
}

/// Entra's issuer holds the tenant; with a multi-tenant authority the configured one is a template.
fn entra(
    payload: Payload,
    provider: &Provider,
    issuer: Option<&str>,
) -> Result<(String, String), BadIdToken> {
    let tid = some(payload.tid).ok_or(BadIdToken::Nobody)?;
    let oid = some(payload.oid).ok_or(BadIdToken::Nobody)?;
    if provider
        .required_tenant()
        .is_some_and(|required| !required.eq_ignore_ascii_case(&tid))
    {
        return Err(BadIdToken::Tenant);
    }
    let fits = match issuer.filter(|issuer| issuer.contains("{tenantid}")) {
        Some(template) => same_issuer(&template.replace("{tenantid}", &tid), &payload.iss),
        None => payload.iss.split('/').any(|part| part == tid),
    };
    if fits {
        Ok((tid, oid))
    } else {
        Err(BadIdToken::Issuer)
    }
}

fn oidc(payload: Payload, issuer: Option<&str>) -> Result<(String, String), BadIdToken> {
    if payload.iss.is_empty() || issuer.is_some_and(|issuer| !same_issuer(issuer, &payload.iss)) {
        return Err(BadIdToken::Issuer);
    }
    let sub = some(payload.sub).ok_or(BadIdToken::Nobody)?;
    Ok((payload.iss, sub))
}

fn payload(id_token: &str) -> Option<Payload> {
    let mut parts = id_token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&Zeroizing::new(bytes)).ok()
}

fn is_for(aud: &Value, client: &str) -> bool {
    match aud {
        Value::String(aud) => aud == client,
        Value::Array(all) => all.iter().any(|aud| aud == client),
        _ => false,
    }
}

fn same_issuer(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
pub(crate) fn encode(claims: &Value) -> SecretString {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.sig",
        part(&serde_json::json!({"alg": "RS256"})),
        part(claims)
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const NOW: i64 = 1_800_000_000_000;

    fn provider(kind: ProviderKind) -> Provider {
        Provider {
            kind,
            tenant: (kind == ProviderKind::Entra).then(|| TENANT.into()),
            client_id: Some("app".into()),
            ..Provider::default()
        }
    }

    fn claims() -> Value {
        json!({
            "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "aud": "app",
            "exp": 1_800_003_600, "tid": TENANT, "oid": "o", "sub": "s",
            "preferred_username": "Scans@contoso.com", "email": "ceo@contoso.com",
        })
    }

    fn entra(change: impl FnOnce(&mut Value)) -> Result<Claims, BadIdToken> {
        let mut claims = claims();
        change(&mut claims);
        Claims::read(&encode(&claims), &provider(ProviderKind::Entra), None, NOW)
    }

    #[test]
    fn tenant_and_object_are_the_identity() {
        let claims = entra(|_| ()).unwrap();
        assert_eq!(
            (claims.issuer.as_str(), claims.subject.as_str()),
            (TENANT, "o")
        );
        assert_eq!(claims.account.as_deref(), Some("Scans@contoso.com"));
    }

    #[test]
    fn the_email_claim_is_never_an_account() {
        let claims = entra(|c| c["preferred_username"] = Value::Null).unwrap();
        assert_eq!(claims.account, None);
    }

    #[test]
    fn what_is_not_for_us_is_refused() {
        use BadIdToken::{Audience, Expired, Issuer, Malformed, Nobody, Tenant};
        assert_eq!(entra(|c| c["aud"] = json!("other")), Err(Audience));
        assert!(entra(|c| c["aud"] = json!(["other", "app"])).is_ok());
        assert_eq!(entra(|c| c["exp"] = json!(1_799_999_699)), Err(Expired));
        assert!(entra(|c| c["exp"] = json!(1_799_999_701)).is_ok());
        assert_eq!(entra(|c| c["exp"] = json!("soon")), Err(Malformed));
        assert_eq!(entra(|c| c["tid"] = json!("other")), Err(Tenant));
        assert_eq!(
            entra(|c| c["iss"] = json!("https://evil/x/v2.0")),
            Err(Issuer)
        );
        assert_eq!(entra(|c| c["oid"] = Value::Null), Err(Nobody));
        let provider = provider(ProviderKind::Entra);
        for bad in ["", "a.b", "a.!.c", "a.b.c.d", "a.e30.c"] {
            assert!(Claims::read(&bad.to_owned().into(), &provider, None, NOW).is_err());
        }
    }

    #[test]
    fn elsewhere_issuer_and_subject_are_the_identity() {
        let token = encode(&json!({
            "iss": "https://id.example", "aud": "app", "exp": 1_800_003_600, "sub": "s",
            "preferred_username": "scans",
        }));
        let provider = provider(ProviderKind::Oidc);
        let read = |issuer| Claims::read(&token, &provider, issuer, NOW);
        assert_eq!(read(Some("https://id.example/")).unwrap().subject, "s");
        assert_eq!(read(Some("https://other.example")), Err(BadIdToken::Issuer));
        assert_eq!(read(None).unwrap().issuer, "https://id.example");
    }

    proptest! {
        #[test]
        fn no_token_panics(text in "\\PC*", json in "\\PC*") {
            let provider = provider(ProviderKind::Entra);
            let _ = Claims::read(&text.into(), &provider, None, NOW);
            let wrapped = format!("a.{}.c", URL_SAFE_NO_PAD.encode(json));
            let _ = Claims::read(&wrapped.into(), &provider, None, NOW);
        }
    }
}
