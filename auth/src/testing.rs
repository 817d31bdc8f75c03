//! A scripted provider on loopback, and a store with one mailbox, for the tests of this crate.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use portreeve_state::{
    Begun, Finish, GrantFor, KeySource, Mailbox, NewGrant, NewSignIn, Pin, SignInStatus, Store,
};
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::http::Http;
use crate::id_token::encode;
use crate::provider::{Provider, ProviderKind, Providers, ProvidersWatch};
use crate::{Broker, Prove, SignIns};

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const ADDRESS: &str = "scans@contoso.com";

/// One answer of the script.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) header: Option<(&'static str, String)>,
    pub(crate) held: Option<Arc<Notify>>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            header: None,
            held: None,
        }
    }

    pub(crate) fn error(error: &str, code: u32) -> Self {
        Self::new(
            400,
            format!(
                r#"{{"error":"{error}","error_description":"AADSTS{code}: words","error_codes":[{code}],"trace_id":"t1","correlation_id":"c1"}}"#
            ),
        )
    }

    pub(crate) fn tokens(access: &str, refresh: Option<&str>, life: u64) -> Self {
        let refresh = refresh.map_or(String::new(), |r| format!(r#","refresh_token":"{r}""#));
        Self::new(
            200,
            format!(
                r#"{{"token_type":"Bearer","access_token":"{access}","expires_in":{life}{refresh}}}"#
            ),
        )
    }

    pub(crate) fn retry_after(mut self, value: impl Into<String>) -> Self {
        self.header = Some(("retry-after", value.into()));
        self
    }

    pub(crate) fn location(mut self, value: impl Into<String>) -> Self {
        self.header = Some(("location", value.into()));
        self
    }

    /// The answer waits until somebody notifies.
    pub(crate) fn held(mut self, notify: &Arc<Notify>) -> Self {
        self.held = Some(Arc::clone(notify));
        self
    }
}

#[derive(Default)]
struct Script {
    token: VecDeque<Reply>,
    device: VecDeque<Reply>,
    other: VecDeque<Reply>,
    seen: Vec<(String, String)>,
}

/// The provider: answers in the order of its script; what is not in the script is status 500.
#[derive(Clone)]
pub(crate) struct FakeProvider {
    script: Arc<Mutex<Script>>,
    pub(crate) base: String,
}

impl FakeProvider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::<Mutex<Script>>::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { script, base }
    }

    pub(crate) fn token(&self, reply: Reply) {
        self.script.lock().unwrap().token.push_back(reply);
    }

    pub(crate) fn device(&self, reply: Reply) {
        self.script.lock().unwrap().device.push_back(reply);
    }

    pub(crate) fn other(&self, reply: Reply) {
        self.script.lock().unwrap().other.push_back(reply);
    }

    /// The forms that came to a path.
    pub(crate) fn seen(&self, path: &str) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let seen = script.seen.iter().filter(|(p, _)| p == path);
        seen.map(|(_, form)| form.clone()).collect()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    uri: Uri,
    form: String,
) -> (StatusCode, HeaderMap, String) {
    let reply = {
        let mut script = script.lock().unwrap();
        script.seen.push((uri.path().to_owned(), form));
        match uri.path() {
            "/token" => script.token.pop_front(),
            "/devicecode" => script.device.pop_front(),
            _ => script.other.pop_front(),
        }
    };
    let reply = reply.unwrap_or_else(|| Reply::new(500, "not in the script"));
    if let Some(held) = reply.held {
        held.notified().await;
    }
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = reply.header {
        headers.insert(name, value.parse().unwrap());
    }
    (
        StatusCode::from_u16(reply.status).unwrap(),
        headers,
        reply.body,
    )
}

/// A store with one mailbox, a provider, and a clock that stands still.
pub(crate) struct House {
    pub(crate) provider: FakeProvider,
    pub(crate) store: Store,
    pub(crate) mailbox: Mailbox,
    pub(crate) clock: Clock,
    pub(crate) providers: watch::Sender<Arc<Providers>>,
    folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let provider = FakeProvider::start().await;
        let store = open(&folder).await;
        let grant = GrantFor::New(NewGrant {
            provider: "fake".into(),
            tenant: None,
            client_id: None,
            expected_account: ADDRESS.into(),
        });
        Self {
            mailbox: store.add_mailbox(ADDRESS, &grant).await.unwrap(),
            clock: Clock::manual(),
            providers: watch::Sender::new(Arc::new(providers(entra(&provider.base)))),
            provider,
            store,
            folder,
        }
    }

    /// A house whose mailbox has been signed in with the refresh token `RT1`.
    pub(crate) async fn signed_in() -> Self {
        let house = Self::new().await;
        house.sign_in("RT1").await;
        house
    }

    pub(crate) async fn sign_in(&self, refresh_token: &str) {
        let secret = |text: &str| text.to_owned().into();
        let new = NewSignIn {
            grant: self.mailbox.grant.clone(),
            mailbox: self.mailbox.id.clone(),
            link: "https://x".into(),
            user_code: "x".into(),
            device_code: secret("x"),
            poll_seconds: 5,
            expires_at: i64::MAX,
        };
        let Begun::New(row) = self.store.begin_sign_in(&new).await.unwrap() else {
            panic!("pending");
        };
        let next = SignInStatus::Proving;
        let tokens = secret("{}");
        self.store
            .hold_tokens(&row.id, next, ADDRESS, &tokens)
            .await
            .unwrap();
        let finish = Finish {
            pin: &Pin {
                issuer: TENANT.into(),
                subject: "oid-scans".into(),
            },
            account: ADDRESS,
            refresh_token: &secret(refresh_token),
            note: None,
        };
        self.store.finish_sign_in(&row.id, &finish).await.unwrap();
    }

    pub(crate) fn watch(&self) -> ProvidersWatch {
        self.providers.subscribe()
    }

    pub(crate) async fn broker(&self) -> Broker {
        Broker::with_clock(self.store.clone(), http(), self.watch(), self.clock.clone())
            .await
            .unwrap()
    }

    pub(crate) async fn sign_ins(&self, prove: Prove) -> (SignIns, Broker) {
        let broker = self.broker().await;
        let sign_ins = SignIns::with_clock(
            self.store.clone(),
            http(),
            self.watch(),
            broker.clone(),
            prove,
            self.clock.clone(),
        );
        (sign_ins, broker)
    }

    /// Makes every write to the grant fail, or work again, as a broken disk would.
    pub(crate) async fn break_grants(&self, broken: bool) {
        let file: PathBuf = self.folder.path().join("state/portreeve.db");
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", file.display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let statement = if broken {
            "CREATE TRIGGER broken BEFORE UPDATE ON grant_ BEGIN SELECT RAISE(ABORT, 'broken'); END"
        } else {
            "DROP TRIGGER broken"
        };
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// The refresh token that the store has.
    pub(crate) async fn stored(&self) -> String {
        use secrecy::ExposeSecret;
        let tokens = self.store.refresh_tokens(&self.mailbox.grant).await;
        let current = tokens.unwrap().current;
        current.map_or(String::new(), |token| token.expose_secret().to_owned())
    }
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("state"), &KeySource::default())
        .await
        .unwrap()
}

pub(crate) fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

pub(crate) fn http() -> Http {
    Http::with_timeout(tls(), Duration::from_secs(20)).unwrap()
}

pub(crate) fn entra(base: &str) -> Provider {
    Provider {
        name: "fake".into(),
        kind: ProviderKind::Entra,
        tenant: Some(TENANT.into()),
        client_id: Some("app".into()),
        scopes: vec!["https://outlook.office.com/SMTP.Send".into()],
        device_authorization_endpoint: Some(format!("{base}/devicecode")),
        token_endpoint: Some(format!("{base}/token")),
        ..Provider::default()
    }
}

pub(crate) fn providers(provider: Provider) -> Providers {
    Providers([(provider.name.clone(), provider)].into())
}

/// An `id_token` of the fake tenant that lives long enough for every manual clock.
pub(crate) fn id_token(account: &str, oid: &str) -> String {
    use secrecy::ExposeSecret;
    encode(&serde_json::json!({
        "iss": format!("https://login.example/{TENANT}/v2.0"), "aud": "app",
        "exp": 4_000_000_000_u64, "tid": TENANT, "oid": oid, "sub": "s",
        "preferred_username": account,
    }))
    .expose_secret()
    .to_owned()
}
