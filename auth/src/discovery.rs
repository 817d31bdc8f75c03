//! Endpoints: from the configuration, or from the provider's discovery document.
//!
//! Documents are kept for an hour. A document that names another issuer than the one configured is
//! not used (OIDC Discovery section 4.3).

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use serde::Deserialize;

use crate::clock::{Clock, Moment};
use crate::entra::unreachable;
use crate::http::{Http, check_endpoint};
use crate::loose::Text;
use crate::provider::Provider;
use crate::reason::{Reason, ReasonKind};

/// How long a discovery document is believed.
const KEPT: Duration = Duration::from_hours(1);

/// Where a provider is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) token: String,
    pub(crate) device_authorization: Option<String>,
    /// The issuer that an `id_token` must name, where it is known.
    pub(crate) issuer: Option<String>,
}

/// Finds endpoints and remembers documents.
#[derive(Clone)]
pub(crate) struct Discovery {
    http: Http,
    clock: Clock,
    documents: Arc<DashMap<String, (Moment, Document)>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Document {
    issuer: Text,
    token_endpoint: Text,
    device_authorization_endpoint: Text,
}

impl Discovery {
    pub(crate) fn new(http: Http, clock: Clock) -> Self {
        Self {
            http,
            clock,
            documents: Arc::default(),
        }
    }

    pub(crate) async fn endpoints(&self, provider: &Provider) -> Result<Endpoints, Reason> {
        let token = provider.token_endpoint.as_deref();
        let device = provider.device_authorization_endpoint.as_deref();
        let issuer = provider.issuer.as_deref();
        let document = match (token, device, issuer) {
            (Some(_), Some(_), _) | (Some(_), None, None) => None,
            (_, _, Some(issuer)) => Some(self.document(&provider.fill(issuer)).await?),
            (None, _, None) => {
                return Err(wrong(format!(
                    "Provider {} has neither a token endpoint nor an issuer. Set one of them.",
                    provider.name
                )));
            }
        };
        let document = document.unwrap_or_default();
        let chosen = |own: Option<&str>, found: Text| own.map(|e| provider.fill(e)).or(found.0);
        let endpoints = Endpoints {
            token: chosen(token, document.token_endpoint).ok_or_else(|| {
                wrong(format!(
                    "The discovery document of provider {} names no token endpoint. Check its issuer.",
                    provider.name
                ))
            })?,
            device_authorization: chosen(device, document.device_authorization_endpoint),
            issuer: issuer.map(|issuer| provider.fill(issuer)),
        };
        for endpoint in [
            Some(&endpoints.token),
            endpoints.device_authorization.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            check_endpoint(endpoint).map_err(|error| unreachable(&error))?;
        }
        Ok(endpoints)
    }

    async fn document(&self, issuer: &str) -> Result<Document, Reason> {
        let now = self.clock.now();
        let kept = self.documents.get(issuer).map(|kept| kept.clone());
        if let Some((at, document)) = kept
            && at.elapsed(now) < KEPT
        {
            return Ok(document);
        }
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let answer = self
            .http
            .get(&address)
            .await
            .map_err(|error| unreachable(&error))?;
        let document = match serde_json::from_slice::<Document>(&answer.body) {
            Ok(document) if answer.status == 200 => document,
            _ => {
                return Err(Reason {
                    retry_after: answer.retry_after,
                    ..Reason::new(
                        ReasonKind::TryLater,
                        format!(
                            "{issuer} has no discovery document (status {}). Check the provider's issuer.",
                            answer.status
                        ),
                    )
                });
            }
        };
        let named = document.issuer.0.as_deref().unwrap_or_default();
        if named.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(wrong(format!(
                "The discovery document of {issuer} names another issuer. Check the provider's issuer."
            )));
        }
        self.documents
            .insert(issuer.to_owned(), (now, document.clone()));
        Ok(document)
    }
}

fn wrong(advice: String) -> Reason {
    Reason::new(ReasonKind::AdminMustFix, advice)
}
