//! The way to the exchange: token, connection, TLS, XOAUTH2 login.
//!
//! Nothing here is reached before a device has logged in locally, and no token leaves before TLS.

pub(crate) mod dial;
mod failure;
pub(crate) mod login;
pub(crate) mod probe;
mod standing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portreeve_auth::{AccessToken, Audience, Broker, Mailbox, MinLife, Protocol};
use portreeve_protocols::{Refusal, RefusalKind, sasl::bearer::Bearer};
use rustls::ClientConfig;
use tokio::{sync::watch, time::timeout};

use self::standing::Standing;
pub(crate) use self::{
    failure::Failure,
    login::{ExchangeSide, Opened},
};
use crate::{
    config::{Config, Endpoint},
    session::driver::Wire,
};

/// How much life a token must have left when no better one can be had.
const LAST_RESORT_LIFE: Duration = Duration::from_mins(1);
/// A token in memory is there at once.
const LAST_RESORT_WAIT: Duration = Duration::from_millis(100);

/// Opens authenticated sessions with the exchange.
pub(crate) struct Upstream {
    broker: Broker,
    config: watch::Receiver<Arc<Config>>,
    tls: watch::Receiver<Arc<ClientConfig>>,
    standing: Standing,
}

impl Upstream {
    /// `config` and `tls` follow reloads.
    pub(crate) fn new(
        broker: Broker,
        config: watch::Receiver<Arc<Config>>,
        tls: watch::Receiver<Arc<ClientConfig>>,
    ) -> Self {
        Self {
            broker,
            config,
            tls,
            standing: Standing::default(),
        }
    }

    /// Takes a token with enough life for a session of this protocol.
    ///
    /// IMAP and POP3 sessions end with their token, so they start with one that has most of its
    /// life left; a message needs minutes. While the sign-in service is away, a token that is still
    /// good for a minute is better than none.
    pub(crate) async fn token(
        &self,
        mailbox: &Mailbox,
        protocol: Protocol,
    ) -> Result<AccessToken, Failure> {
        let life = match protocol {
            Protocol::Imap | Protocol::Pop3 => MinLife::Half,
            Protocol::Smtp => MinLife::AtLeast(Duration::from_mins(10)),
        };
        let within = self.config.borrow().limits.token_wait_seconds;
        let ask = |life| self.broker.token(mailbox, Audience::Mail, life);
        let reason = match timeout(within, ask(life)).await {
            Ok(Ok(token)) => return Ok(token),
            Ok(Err(reason)) if reason.is_transient() => Failure::NoToken(reason),
            Ok(Err(reason)) => return Err(Failure::NoToken(reason)),
            Err(_) => Failure::Unreachable {
                server: "the sign-in service".to_owned(),
                words: format!("no token within {} s", within.as_secs()),
            },
        };
        // From memory, or not at all.
        let last = timeout(LAST_RESORT_WAIT, ask(MinLife::AtLeast(LAST_RESORT_LIFE))).await;
        last.ok().and_then(Result::ok).ok_or(reason)
    }

    /// Whether a device that has just logged in can be served, as far as can be told without the
    /// exchange: nothing speaks against it, and there is a token.
    pub(crate) async fn ready(&self, mailbox: &Mailbox, protocol: Protocol) -> Result<(), Failure> {
        self.not_refused(mailbox, protocol)?;
        self.token(mailbox, protocol).await.map(drop)
    }

    /// Opens an authenticated session for the mailbox.
    ///
    /// A token that the exchange refuses is minted once more and tried once more on a new
    /// connection before anybody hears of it.
    pub(crate) async fn open<X: ExchangeSide>(
        &self,
        mailbox: &Mailbox,
        wire: Wire,
    ) -> Result<Opened<X>, Failure> {
        let config = Arc::clone(&self.config.borrow());
        let endpoint = config.mail_servers(&mailbox.provider).endpoint(X::PROTOCOL);
        self.not_refused(mailbox, X::PROTOCOL)?;
        let mut token = self.token(mailbox, X::PROTOCOL).await?;
        let mut opened = self
            .attempt::<X>(mailbox, &token, endpoint, &config, wire)
            .await;
        if let Err(Failure::Refused { refusal, .. }) = &opened
            && refusal.kind == RefusalKind::TokenRefused
        {
            tracing::info!(mailbox = %mailbox.address, server = %endpoint, "token refused, trying a fresh one");
            self.broker.rejected(mailbox, Audience::Mail, &token);
            token = self.token(mailbox, X::PROTOCOL).await?;
            opened = self
                .attempt::<X>(mailbox, &token, endpoint, &config, wire)
                .await;
        }
        match &opened {
            Ok(_) => self.standing.clear(&mailbox.address, X::PROTOCOL),
            Err(Failure::Refused { refusal, .. }) => {
                self.standing
                    .refused(&mailbox.address, X::PROTOCOL, refusal, Instant::now());
            }
            Err(_) => {}
        }
        opened
    }

    /// What the exchange said last about this mailbox, if it still holds.
    pub(crate) fn standing(&self, mailbox: &str, protocol: Protocol) -> Option<Refusal> {
        self.standing.refusal(mailbox, protocol, Instant::now())
    }

    /// What the exchange refuses this mailbox, by protocol, and for how long that has been known.
    pub(crate) fn trouble(&self, mailbox: &str) -> Vec<(Protocol, Refusal, Duration)> {
        self.standing.trouble(mailbox, Instant::now())
    }

    /// Forgets what the exchange said: somebody has acted and wants it tried at once.
    pub(crate) fn forgive(&self, mailbox: &str) {
        for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
            self.standing.clear(mailbox, protocol);
        }
    }

    fn not_refused(&self, mailbox: &Mailbox, protocol: Protocol) -> Result<(), Failure> {
        let Some(refusal) = self.standing(&mailbox.address, protocol) else {
            return Ok(());
        };
        let config = self.config.borrow();
        let server = config
            .mail_servers(&mailbox.provider)
            .endpoint(protocol)
            .to_string();
        Err(Failure::Refused { server, refusal })
    }

    async fn attempt<X: ExchangeSide>(
        &self,
        mailbox: &Mailbox,
        token: &AccessToken,
        endpoint: &Endpoint,
        config: &Config,
        wire: Wire,
    ) -> Result<Opened<X>, Failure> {
        let bearer = Bearer::new(
            &mailbox.address,
            token.secret().clone(),
            &endpoint.host,
            endpoint.port,
        )
        .map_err(|error| Failure::Refused {
            server: endpoint.to_string(),
            refusal: Refusal {
                kind: RefusalKind::AccessDenied,
                words: error.to_string(),
            },
        })?;
        let tls = Arc::clone(&self.tls.borrow());
        login::login(
            endpoint,
            bearer,
            &config.hostname,
            &tls,
            &config.limits,
            wire,
        )
        .await
    }
}
