//! A refresh token for an access token (RFC 6749 section 6).
//!
//! One request; when to make it and what its answer does to a grant is the broker's business.

use oauth2::{RefreshToken, Scope};
use portreeve_state::Grant;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::discovery::Discovery;
use crate::entra::classify;
use crate::grants::client::{Courier, client, token_url};
use crate::http::Http;
use crate::oauth::{Granted, Refused, TokenAnswer};
use crate::provider::{Provider, ProviderKind, Providers};
use crate::reason::{Reason, ReasonKind};

/// Why a refresh brought nothing.
#[derive(Debug)]
pub(crate) struct NotRefreshed {
    pub(crate) reason: Reason,
    /// The refusal may mean this very refresh token and not the sign-in as a whole.
    pub(crate) token_in_doubt: bool,
}

/// Asks for a new access token.
pub(crate) async fn refresh(
    http: &Http,
    discovery: &Discovery,
    provider: &Provider,
    refresh_token: &SecretString,
) -> Result<Granted, NotRefreshed> {
    let endpoints = discovery.endpoints(provider).await.map_err(plainly)?;
    let client = client(provider).map_err(plainly)?;
    let client = client.set_token_uri(token_url(&endpoints).map_err(plainly)?);
    let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
    let mut request = client.exchange_refresh_token(&token);
    // Entra wants to know the resource; elsewhere "the same as before" is the default, and naming
    // a scope that was not granted would be an error.
    if provider.kind == ProviderKind::Entra {
        request = request.add_scope(Scope::new(provider.scope()));
    }
    let courier = Courier::new(http);
    let _ = request.request_async(&courier).await;
    drop(Zeroizing::new(token.into_secret()));
    let answer = courier.answer().map_err(plainly)?;
    match TokenAnswer::read(&answer) {
        TokenAnswer::Granted(granted) => Ok(granted),
        TokenAnswer::Refused(refused) => Err(not_refreshed(&refused)),
    }
}

/// The provider of a grant, with the grant's own tenant and client.
pub(crate) fn provider_of(providers: &Providers, grant: &Grant) -> Result<Provider, Reason> {
    let provider = providers.get(&grant.provider).ok_or_else(|| {
        Reason::new(
            ReasonKind::AdminMustFix,
            format!(
                "Provider {} is no longer configured. Add [provider.{}] again.",
                grant.provider, grant.provider
            ),
        )
    })?;
    Ok(provider.with(grant.tenant.as_deref(), grant.client_id.as_deref()))
}

fn not_refreshed(refused: &Refused) -> NotRefreshed {
    let reason = classify(refused);
    NotRefreshed {
        token_in_doubt: refused.error == "invalid_grant"
            && reason.kind == ReasonKind::NeedsSignIn
            && (refused.codes.is_empty() || refused.suberror == "bad_token"),
        reason,
    }
}

fn plainly(reason: Reason) -> NotRefreshed {
    NotRefreshed {
        reason,
        token_in_doubt: false,
    }
}
