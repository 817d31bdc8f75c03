//! Requests to the sign-in service.
//!
//! One client, no redirects, no cookies; https everywhere but on loopback; answers are bounded in time
//! and size. It knows statuses, not what they mean. Errors never hold a URL's query or a body.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, redirect};
use url::{Host, Url};
use zeroize::Zeroizing;

/// A connection to the sign-in service must stand after this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole request, its answer included, takes no longer.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// No honest answer is larger; Entra's with long tokens have some 10 kB.
const BODY_LIMIT: usize = 1024 * 1024;

/// What Microsoft's own libraries take at most from Retry-After.
const RETRY_AFTER_LIMIT: Duration = Duration::from_hours(1);

/// How much of a transport error's text is kept.
const ERROR_TEXT_LIMIT: usize = 300;

/// The HTTP client of this crate; cheap to clone.
#[derive(Clone, Debug)]
pub struct Http(Arc<RwLock<Clients>>);

#[derive(Clone, Debug)]
struct Clients {
    out: Client,
    /// For loopback: never through the system's web proxy.
    near: Client,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client could not be built from the given TLS settings.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
    /// The configuration names something that is no URL.
    #[error("`{0}` is not a URL")]
    BadUrl(String),
    /// Secrets go out over https only.
    #[error("{0} is not https, and secrets are sent in clear text to this machine only")]
    NotHttps(String),
    /// The network's or the far side's fault.
    #[error("{host}: {text}")]
    Transport {
        /// The host that was asked.
        host: String,
        /// What went wrong, without the request's URL.
        text: String,
    },
    /// The far side sent more than any honest answer has.
    #[error("{0} sent more than 1 MB")]
    TooLarge(String),
}

/// A status and a body of bounded size.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Http {
    /// A client that trusts and speaks what the given configuration says.
    pub fn new(tls: rustls::ClientConfig) -> Result<Self, HttpError> {
        Self::with_timeout(tls, TOTAL_TIMEOUT)
    }

    pub(crate) fn with_timeout(
        tls: rustls::ClientConfig,
        total: Duration,
    ) -> Result<Self, HttpError> {
        let clients = Clients::new(tls, total)?;
        Ok(Self(Arc::new(RwLock::new(clients))))
    }

    /// Requests from now on trust and speak what this configuration says.
    pub fn trust(&self, tls: rustls::ClientConfig) -> Result<(), HttpError> {
        let clients = Clients::new(tls, TOTAL_TIMEOUT)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = clients;
        Ok(())
    }

    /// Posts what was written elsewhere and takes the answer whatever its status.
    pub(crate) async fn post(
        &self,
        address: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, HttpError> {
        let url = checked(address)?;
        let request = self.client(&url).post(url.clone());
        answer(&url, request.headers(headers).body(body)).await
    }

    /// Gets a document.
    pub(crate) async fn get(&self, address: &str) -> Result<Answer, HttpError> {
        let url = checked(address)?;
        let request = self.client(&url).get(url.clone());
        answer(&url, request.header(ACCEPT, "application/json")).await
    }

    fn client(&self, url: &Url) -> Client {
        let clients = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if is_loopback(url) {
            clients.near.clone()
        } else {
            clients.out.clone()
        }
    }
}

impl Clients {
    fn new(tls: rustls::ClientConfig, total: Duration) -> Result<Self, HttpError> {
        let setup = |e: reqwest::Error| HttpError::Setup(chain(&e));
        Ok(Self {
            out: client(tls.clone(), total).build().map_err(setup)?,
            near: client(tls, total).no_proxy().build().map_err(setup)?,
        })
    }
}

fn client(tls: rustls::ClientConfig, total: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(total)
        .user_agent(concat!("portreeve/", env!("CARGO_PKG_VERSION")))
}

/// Whether secrets may be sent to an endpoint; the configuration is checked with it as well.
pub fn check_endpoint(endpoint: &str) -> Result<(), HttpError> {
    checked(endpoint).map(|_| ())
}

fn checked(endpoint: &str) -> Result<Url, HttpError> {
    let url = Url::parse(endpoint).map_err(|_| HttpError::BadUrl(endpoint.to_owned()))?;
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(HttpError::NotHttps(host(&url))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

async fn answer(url: &Url, request: RequestBuilder) -> Result<Answer, HttpError> {
    let failed = |e: &reqwest::Error| HttpError::Transport {
        host: host(url),
        text: if e.is_timeout() {
            "no answer in time".to_owned()
        } else {
            chain(e)
        },
    };
    let mut response = request.send().await.map_err(|e| failed(&e.without_url()))?;
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|e| failed(&e.without_url()))?
    {
        if body.len() + piece.len() > BODY_LIMIT {
            return Err(HttpError::TooLarge(host(url)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers(), SystemTime::now()),
        body,
    })
}

/// `Retry-After` as seconds or as a date (RFC 9110 section 10.2.3), capped.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds: certainly more than the limit.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_LIMIT))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or("the address").to_owned()
}

/// An error with its causes on one line; the last ones say what a person needs.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ERROR_TEXT_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, FakeProvider, Reply};
    use reqwest::header::HeaderValue;

    fn wait(value: &str, now: SystemTime) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        retry_after(&headers, now)
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(wait("17", now), seconds(17));
        assert_eq!(wait(" 0 ", now), seconds(0));
        assert_eq!(wait("86400", now), seconds(3600));
        assert_eq!(wait("99999999999999999999999", now), seconds(3600));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT", now), seconds(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT", now), seconds(0));
        assert_eq!(wait("Sat, 06 Nov 2094 08:49:37 GMT", now), seconds(3600));
        assert_eq!(wait("soon", now), None);
        assert_eq!(wait("-5", now), None);
        assert_eq!(wait("", now), None);
    }

    #[test]
    fn secrets_go_out_over_https_or_to_this_machine() {
        for good in [
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
            "http://127.0.0.1:8080/token",
            "http://[::1]:8080/token",
            "http://localhost/token",
        ] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.microsoftonline.com/token",
            "http://127.0.0.1.example.com/token",
            "http://10.0.0.1/token",
            "ftp://127.0.0.1/token",
            "file:///etc/passwd",
            "login.microsoftonline.com/token",
            "",
        ] {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn answers_are_bounded_and_redirects_not_followed() {
        let provider = FakeProvider::start().await;
        let http = testing::http();
        let address = format!("{}/document?secret=geheim", provider.base);
        provider.other(Reply::new(200, "x".repeat(BODY_LIMIT)));
        let answer = http.get(&address).await.unwrap();
        assert_eq!(answer.body.len(), BODY_LIMIT);
        provider.other(Reply::new(200, "x".repeat(BODY_LIMIT + 1)));
        let error = http.get(&address).await.err().unwrap();
        assert!(matches!(error, HttpError::TooLarge(_)), "{error}");
        let location = format!("{}/elsewhere", provider.base);
        provider.other(Reply::new(302, "").location(location));
        assert_eq!(http.get(&address).await.unwrap().status, 302);
        assert!(provider.seen("/elsewhere").is_empty());
    }

    #[tokio::test]
    async fn errors_name_the_host_and_nothing_of_the_query() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let http = testing::http();
        let address = format!("http://{nobody}/x?secret=geheim");
        let error = http.get(&address).await.err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("127.0.0.1") && !text.contains("geheim"),
            "{text}"
        );
        // Another trust does not disturb it.
        http.trust(testing::tls()).unwrap();
        assert!(http.get(&address).await.is_err());
    }
}
