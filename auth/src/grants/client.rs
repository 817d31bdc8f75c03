//! The `oauth2` crate as the grants use it: it writes the requests.
//!
//! It reads no answer. [`Courier`] takes each request to [`Http`] and keeps what came back for
//! [`oauth`](crate::oauth); the crate is shown an empty page, so that no token can get into its types
//! and errors. Its opinion of that page is dropped, never logged.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::OnceLock;

use oauth2::basic::BasicClient;
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, HttpRequest,
    HttpResponse, TokenUrl,
};
use secrecy::ExposeSecret;

use crate::discovery::Endpoints;
use crate::entra::unreachable;
use crate::http::{Answer, Http, HttpError};
use crate::provider::Provider;
use crate::reason::{Reason, ReasonKind};

/// A provider's client. A secret goes into the form: every provider takes it there.
pub(super) fn client(provider: &Provider) -> Result<BasicClient, Reason> {
    let id = provider.client_id.clone().ok_or_else(|| {
        Reason::new(
            ReasonKind::AdminMustFix,
            format!(
                "Provider {} has no client id. Register an app and set client-id.",
                provider.name
            ),
        )
    })?;
    let client = BasicClient::new(ClientId::new(id)).set_auth_type(AuthType::RequestBody);
    Ok(match &provider.client_secret {
        Some(secret) => {
            client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        }
        None => client,
    })
}

pub(super) fn token_url(endpoints: &Endpoints) -> Result<TokenUrl, Reason> {
    TokenUrl::new(endpoints.token.clone()).map_err(|_| bad_url(&endpoints.token))
}

pub(super) fn device_url(endpoint: &str) -> Result<DeviceAuthorizationUrl, Reason> {
    DeviceAuthorizationUrl::new(endpoint.to_owned()).map_err(|_| bad_url(endpoint))
}

fn bad_url(endpoint: &str) -> Reason {
    unreachable(&HttpError::BadUrl(endpoint.to_owned()))
}

/// Takes one request out, within the bounds of [`Http`], and keeps the answer.
pub(super) struct Courier<'h> {
    http: &'h Http,
    answer: OnceLock<Result<Answer, HttpError>>,
}

impl<'h> Courier<'h> {
    pub(super) fn new(http: &'h Http) -> Self {
        Self {
            http,
            answer: OnceLock::new(),
        }
    }

    /// What came back, whatever the crate thought of the empty page.
    pub(super) fn answer(self) -> Result<Answer, Reason> {
        match self.answer.into_inner() {
            Some(answer) => answer.map_err(|error| unreachable(&error)),
            None => Err(unwritten()),
        }
    }

    async fn deliver(&self, request: HttpRequest) {
        // One request per courier, even if a later version of the crate asks again by itself.
        if self.answer.get().is_some() {
            return;
        }
        let (head, body) = request.into_parts();
        let address = head.uri.to_string();
        let answer = self.http.post(&address, head.headers, body).await;
        let _ = self.answer.set(answer);
    }
}

impl<'c> AsyncHttpClient<'c> for Courier<'_> {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            self.deliver(request).await;
            Ok(HttpResponse::default())
        })
    }
}

/// The crate could not write the request: of all it is given, only an endpoint can be that wrong.
pub(super) fn unwritten() -> Reason {
    Reason::new(
        ReasonKind::AdminMustFix,
        "The request to the sign-in service could not be written. Check the provider's endpoints.",
    )
}

#[cfg(test)]
mod tests;
