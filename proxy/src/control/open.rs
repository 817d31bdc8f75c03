//! Puts the rooms together: the same for the daemon and for a command that runs without it.

use std::sync::Arc;

use portreeve_auth::{Broker, Gate, Http, Providers, SignIns, Store};
use portreeve_state::{KeySource, OpenError};
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Control, Failure, proof};
use crate::{config::Config, door::client_config, upstream::Upstream};

/// A control, and the ends by which a reload changes what it follows.
pub(crate) struct Opened {
    /// Ready for use; nothing goes on in the background yet.
    pub(crate) control: Control,
    /// Changes the configuration.
    pub(crate) config: watch::Sender<Arc<Config>>,
    /// Changes who issues tokens.
    pub(crate) providers: watch::Sender<Arc<Providers>>,
    /// Changes whom the way upstream trusts.
    pub(crate) tls: watch::Sender<Arc<ClientConfig>>,
    /// Asks the sign-in services; has to be told whom it trusts.
    pub(crate) http: Http,
}

/// Opens the store, which nobody else may have open, and what works on it.
pub(crate) async fn open(config: Config) -> Result<Opened, Failure> {
    let trusted = client_config(config.tls.upstream_ca_file.as_deref())
        .map_err(|error| Failure::configuration(super::capital(&error)))?;
    let http =
        Http::new(trusted.clone()).map_err(|error| Failure::portreeve(super::capital(&error)))?;
    let key = KeySource::from_environment(config.vault_key_file.clone());
    let store = Store::open(&config.state_dir, &key)
        .await
        .map_err(|error| {
            let words = super::capital(&error);
            match error {
                OpenError::Locked { .. } => Failure::occupied(words),
                _ => Failure::unreachable(words),
            }
        })?;

    let gate = Arc::new(Gate::with_limits(store.clone(), config.limits.gate()).await?);

    let (providers, providers_now) = watch::channel(Arc::new(config.providers.clone()));
    let (tls, tls_now) = watch::channel(Arc::new(trusted));
    let (config, config_now) = watch::channel(Arc::new(config));
    let broker = Broker::open(store.clone(), http.clone(), providers_now.clone()).await?;
    let upstream = Arc::new(Upstream::new(broker.clone(), config_now.clone(), tls_now));
    let prove = proof::by_login(Arc::clone(&upstream));
    let sign_ins = SignIns::new(
        store.clone(),
        http.clone(),
        providers_now,
        broker.clone(),
        prove,
    );
    let control = Control {
        store,
        gate,
        broker,
        sign_ins,
        upstream,
        config: config_now,
        running: None,
        stop: CancellationToken::new(),
    };
    Ok(Opened {
        control,
        config,
        providers,
        tls,
        http,
    })
}

/// A control for one command in this process.
pub(crate) struct Alone {
    opened: Opened,
}

impl Alone {
    /// Opens everything and goes on with the sign-ins that wait.
    pub(crate) async fn open(config: Config) -> Result<Self, Failure> {
        let opened = open(config).await?;
        opened.control.sign_ins.resume().await?;
        Ok(Self { opened })
    }

    /// What the use cases work on.
    pub(crate) fn control(&self) -> &Control {
        &self.opened.control
    }

    /// Ends in order.
    pub(crate) async fn close(self) {
        self.opened.control.stop.cancel();
        self.opened.control.store.close().await;
    }
}
