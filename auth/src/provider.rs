//! Who issues tokens: endpoints, client and scopes.
//!
//! Presets and their values are the configuration's business; this is what the flows need to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

/// The scopes without which a sign-in could not be kept or its account named.
const OWN_SCOPES: [&str; 3] = ["offline_access", "openid", "profile"];

/// The tenant when none is configured.
const ANY_TENANT: &str = "organizations";

/// A provider as configured.
#[derive(Debug, Clone, Default)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Whose rules it follows.
    pub kind: ProviderKind,
    /// The tenant's id or a verified domain (Entra).
    pub tenant: Option<String>,
    /// The app registration.
    pub client_id: Option<String>,
    /// Only for confidential clients.
    pub client_secret: Option<SecretString>,
    /// The mail scopes; those for keeping the sign-in and naming the account are added.
    pub scopes: Vec<String>,
    /// May hold `{tenant}`.
    pub device_authorization_endpoint: Option<String>,
    /// May hold `{tenant}`.
    pub token_endpoint: Option<String>,
    /// Its discovery document names the endpoints that are not given (generic OIDC).
    pub issuer: Option<String>,
}

/// Whose rules a provider follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProviderKind {
    /// Microsoft Entra ID: AADSTS codes, `tid` and `oid`.
    #[default]
    Entra,
    /// Any other OIDC provider: `iss` and `sub`.
    Oidc,
}

/// All providers, by name.
#[derive(Debug, Clone, Default)]
pub struct Providers(pub BTreeMap<String, Provider>);

impl Providers {
    /// The provider of that name.
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }
}

/// The providers as they are now; a reload sends new ones.
pub type ProvidersWatch = watch::Receiver<Arc<Providers>>;

impl Provider {
    /// This provider with a mailbox's own tenant and client, where it has them.
    #[must_use]
    pub fn with(&self, tenant: Option<&str>, client_id: Option<&str>) -> Self {
        let mut provider = self.clone();
        if let Some(tenant) = tenant {
            provider.tenant = Some(tenant.to_owned());
        }
        if let Some(client_id) = client_id
            && provider.client_id.as_deref() != Some(client_id)
        {
            provider.client_id = Some(client_id.to_owned());
            // The secret belongs to the other client.
            provider.client_secret = None;
        }
        provider
    }

    /// All scopes of a request, separated by spaces.
    pub(crate) fn scope(&self) -> String {
        let mut scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        for own in OWN_SCOPES {
            if !scopes.contains(&own) {
                scopes.push(own);
            }
        }
        scopes.join(" ")
    }

    /// An endpoint with the tenant filled in.
    pub(crate) fn fill(&self, endpoint: &str) -> String {
        endpoint.replace("{tenant}", self.tenant.as_deref().unwrap_or(ANY_TENANT))
    }

    /// The tenant that an `id_token` must name; `None` where any may.
    pub(crate) fn required_tenant(&self) -> Option<&str> {
        self.tenant
            .as_deref()
            .filter(|tenant| is_guid(tenant) && self.kind == ProviderKind::Entra)
    }
}

/// A tenant may be named by a domain too, and then only the `id_token` knows its id.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_for_keeping_the_sign_in_are_added_once() {
        let provider = Provider {
            scopes: vec![
                "https://outlook.office.com/SMTP.Send".into(),
                "openid".into(),
            ],
            ..Provider::default()
        };
        assert_eq!(
            provider.scope(),
            "https://outlook.office.com/SMTP.Send openid offline_access profile"
        );
    }

    #[test]
    fn a_mailbox_with_its_own_client_does_not_send_the_other_clients_secret() {
        let provider = Provider {
            client_id: Some("one".into()),
            client_secret: Some("secret".to_owned().into()),
            ..Provider::default()
        };
        assert!(provider.with(None, Some("one")).client_secret.is_some());
        assert!(provider.with(None, Some("two")).client_secret.is_none());
        assert_eq!(provider.with(Some("t"), None).fill("/{tenant}/x"), "/t/x");
        assert_eq!(provider.fill("/{tenant}/x"), "/organizations/x");
    }

    #[test]
    fn only_a_tenant_id_can_be_compared_with_a_token() {
        let mut provider = Provider {
            tenant: Some("contoso.com".into()),
            ..Provider::default()
        };
        assert_eq!(provider.required_tenant(), None);
        provider.tenant = Some("9188040d-6c67-4c5b-b112-36a304b66dad".into());
        assert!(provider.required_tenant().is_some());
    }
}
