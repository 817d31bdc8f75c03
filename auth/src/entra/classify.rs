//! From a refusal to a reason.

use crate::entra::codes::{Class, lookup};
use crate::http::HttpError;
use crate::oauth::Refused;
use crate::reason::{Reason, ReasonKind};

/// What a refusal of the token endpoint (or the device authorization endpoint) means.
///
/// Also for other OIDC providers: they have no AADSTS numbers and fall through to the OAuth codes.
pub(crate) fn classify(refused: &Refused) -> Reason {
    let (kind, advice) = verdict(refused);
    Reason {
        kind,
        code: main_code(refused),
        advice,
        retry_after: refused.retry_after,
        trace: refused.trace.clone(),
    }
}

/// The sign-in service could not be asked at all.
pub(crate) fn unreachable(error: &HttpError) -> Reason {
    match error {
        HttpError::Setup(_) | HttpError::BadUrl(_) | HttpError::NotHttps(_) => Reason::new(
            ReasonKind::AdminMustFix,
            format!("The provider's settings are wrong: {error}."),
        ),
        HttpError::Transport { .. } | HttpError::TooLarge(_) => Reason::new(
            ReasonKind::TryLater,
            format!("The sign-in service cannot be reached ({error}); retrying."),
        ),
    }
}

fn verdict(refused: &Refused) -> (ReasonKind, String) {
    // An overloaded or broken service says nothing about the grant, whatever else it says.
    if matches!(refused.status, 408 | 429 | 500..=599) {
        let advice = known(refused)
            .filter(|(class, _)| *class == Class::Retry)
            .map_or(
                "The sign-in service is busy or failing; retrying.",
                |(_, a)| a,
            );
        return (ReasonKind::TryLater, advice.to_owned());
    }
    if let Some((class, advice)) = known(refused) {
        return (kind(class), advice.to_owned());
    }
    let (kind, advice) = by_suberror(&refused.suberror)
        .or_else(|| by_error(&refused.error))
        .unwrap_or_else(|| by_status(refused));
    (kind, advice.to_owned())
}

/// The first number that the table has, else the first.
fn main_code(refused: &Refused) -> Option<u32> {
    let known = refused.codes.iter().find(|code| lookup(**code).is_some());
    known.or(refused.codes.first()).copied()
}

fn known(refused: &Refused) -> Option<(Class, &'static str)> {
    refused.codes.iter().find_map(|code| lookup(*code))
}

fn kind(class: Class) -> ReasonKind {
    match class {
        Class::Wait | Class::Retry => ReasonKind::TryLater,
        Class::Reauth => ReasonKind::NeedsSignIn,
        Class::Policy => ReasonKind::BlockedByPolicy,
        Class::Admin | Class::Fatal => ReasonKind::AdminMustFix,
    }
}

type Verdict = (ReasonKind, &'static str);

/// Undocumented, but sent by Entra and used by Microsoft's own libraries.
fn by_suberror(suberror: &str) -> Option<Verdict> {
    use ReasonKind::{AdminMustFix, BlockedByPolicy, NeedsSignIn};
    Some(match suberror {
        "basic_action" => (
            NeedsSignIn,
            "Microsoft wants an interactive step. Sign the account in again.",
        ),
        "additional_action" => (
            AdminMustFix,
            "Microsoft wants a step outside this sign-in. See the sign-in log in Entra ID.",
        ),
        "message_only" => (
            AdminMustFix,
            "Microsoft refuses this account for now. See the sign-in log in Entra ID.",
        ),
        "consent_required" => (AdminMustFix, CONSENT),
        "user_password_expired" => (
            NeedsSignIn,
            "Change the password at Microsoft, then sign in again.",
        ),
        "bad_token" | "token_expired" => (
            NeedsSignIn,
            "The stored authorisation is no longer valid. Sign the account in again.",
        ),
        "protection_policy_required" => (
            BlockedByPolicy,
            "An app protection policy blocks this app. Exclude this account or app.",
        ),
        "client_mismatch" => (
            NeedsSignIn,
            "The stored authorisation belongs to another app registration. Sign the account in again.",
        ),
        "device_authentication_failed" => (
            BlockedByPolicy,
            "The policy wants a managed device, which device code cannot prove. Exclude this account or require MFA instead.",
        ),
        _ => return None,
    })
}

const CONSENT: &str =
    "Grant consent: an admin opens the admin-consent link, or the user signs in and accepts.";

/// RFC 6749 section 5.2, RFC 8628 section 3.5, OIDC, and Entra's own.
fn by_error(error: &str) -> Option<Verdict> {
    use ReasonKind::{AdminMustFix, NeedsSignIn, TryLater};
    Some(match error {
        "invalid_grant" => (
            NeedsSignIn,
            "The stored authorisation is no longer accepted. Sign the account in again.",
        ),
        "interaction_required" | "login_required" => (
            NeedsSignIn,
            "The sign-in service wants an interactive step. Sign the account in again.",
        ),
        "consent_required" => (AdminMustFix, CONSENT),
        "invalid_client" => (AdminMustFix, "Check client id, secret, certificate."),
        "unauthorized_client" => (
            AdminMustFix,
            "The app registration does not allow this flow. Check its settings.",
        ),
        "invalid_scope" => (
            AdminMustFix,
            "The scope list is malformed or names a scope that the provider does not know.",
        ),
        "invalid_resource" | "invalid_target" => (
            AdminMustFix,
            "Wrong scope host for this cloud, or no Exchange Online in the tenant.",
        ),
        "invalid_request" | "unsupported_grant_type" | "unsupported_response_type" => (
            AdminMustFix,
            "The provider does not understand the request. Check its endpoints and client id.",
        ),
        "access_denied" | "authorization_declined" => (
            NeedsSignIn,
            "The sign-in was declined. Start it again and accept.",
        ),
        "expired_token" => (
            NeedsSignIn,
            "The sign-in code expired. Start the sign-in again.",
        ),
        "bad_verification_code" => (
            NeedsSignIn,
            "The sign-in service does not know this code. Start the sign-in again.",
        ),
        "authorization_pending" | "slow_down" => {
            (TryLater, "Waiting for the user to enter the code.")
        }
        "temporarily_unavailable" | "server_error" => (
            TryLater,
            "The sign-in service is busy or failing; retrying.",
        ),
        _ => return None,
    })
}

fn by_status(refused: &Refused) -> Verdict {
    use ReasonKind::{AdminMustFix, TryLater};
    match refused.status {
        300..=399 => (
            TryLater,
            "The token endpoint answers with a redirect; a web proxy or a sign-on page may stand in between.",
        ),
        400..=499 if !refused.error.is_empty() || !refused.codes.is_empty() => (
            AdminMustFix,
            "The sign-in service refuses for a reason that is not known here; the log has its code.",
        ),
        404 | 405 | 410 => (
            TryLater,
            "Nothing answers at the token endpoint. Check the provider's endpoints.",
        ),
        _ => (
            TryLater,
            "The sign-in service does not answer in OAuth's form; a web proxy or firewall may stand in between.",
        ),
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
