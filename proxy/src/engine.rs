//! What the daemon and a command without a daemon have in common: store, gate, broker, sign-ins and
//! the way to the exchange, put together in this order.

use std::{io, sync::Arc};

use portreeve_auth::{
    Broker, Gate, Http, HttpError, Prove, Protocol, Providers, SignIns, Store, StoreError, Unproved,
};
use portreeve_state::{KeySource, OpenError};
use rustls::ClientConfig;
use tokio::sync::watch;

use crate::{
    config::Config,
    door::{self, TrustError},
    upstream::{Failure, Upstream},
};

/// Everything behind the doors.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) gate: Arc<Gate>,
    pub(crate) broker: Broker,
    pub(crate) sign_ins: SignIns,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) config: watch::Receiver<Arc<Config>>,
    pub(crate) settings: Settings,
}

/// Where a reload puts what is new.
pub(crate) struct Settings {
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) providers: watch::Sender<Arc<Providers>>,
    pub(crate) tls: watch::Sender<Arc<ClientConfig>>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the state folder {0} cannot be made: {1}")]
    Folder(String, io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl Engine {
    /// Opens the store, which nobody else may have open.
    pub(crate) async fn open(config: Config) -> Result<Self, EngineError> {
        let tls = door::client_config(config.tls.upstream_ca_file.as_deref())?;
        let http = Http::new(tls.clone())?;
        let key = KeySource::from_environment(config.vault_key_file.clone());
        let store = Store::open(&config.state_dir, &key).await?;
        let gate = Arc::new(Gate::open(store.clone()).await?);

        let (providers, providers_now) = watch::channel(Arc::new(config.providers.clone()));
        let (tls, tls_now) = watch::channel(Arc::new(tls));
        let (config, config_now) = watch::channel(Arc::new(config));
        let broker = Broker::open(store.clone(), http.clone(), providers_now.clone()).await?;
        let upstream = Arc::new(Upstream::new(broker.clone(), config_now.clone(), tls_now));
        let sign_ins = SignIns::new(
            store.clone(),
            http,
            providers_now,
            broker.clone(),
            prove(Arc::clone(&upstream)),
        );
        Ok(Self {
            store,
            gate,
            broker,
            sign_ins,
            upstream,
            config: config_now,
            settings: Settings { config, providers, tls },
        })
    }
}

/// After a sign-in: one protocol that lets us in is proof enough.
fn prove(upstream: Arc<Upstream>) -> Prove {
    Arc::new(move |mailbox, token| {
        let upstream = Arc::clone(&upstream);
        Box::pin(async move {
            let mut first = None;
            for protocol in [Protocol::Imap, Protocol::Smtp, Protocol::Pop3] {
                match upstream.prove(&mailbox, &token, protocol).await {
                    Ok(()) => return Ok(()),
                    Err(failure) => first = first.or(Some(failure)),
                }
            }
            Err(match first {
                Some(failure @ Failure::Unreachable { .. }) => {
                    Unproved::Unreachable(failure.to_string())
                }
                Some(failure) => Unproved::Refused(failure.to_string()),
                None => Unproved::Unreachable("no protocol was tried".to_owned()),
            })
        })
    })
}
