//! IMAP and POP3: the device's login, the login at the exchange, then a byte pipe.

mod sides;

use std::sync::Arc;

use portreeve_auth::Admitted;
use portreeve_protocols::{Credentials, Denial, Dialogue};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::client::TlsStream;

pub(super) use self::sides::DeviceSide;
use self::sides::Understood;
use super::{
    Context, LAST_WORDS,
    driver::{self, Step, Wire},
    login,
    pipe::{self, Ahead, PipeLimits},
};
use crate::{
    config::{Config, Limits},
    door::{Connection, Seat, Stream},
    upstream::Opened,
    watch::SessionSummary,
};

/// Serves one connection to its end.
pub(super) async fn serve<D: DeviceSide>(connection: Connection, context: Arc<Context>) {
    let mut summary = SessionSummary::new(&connection);
    let config = Arc::clone(&context.config.borrow());
    // The login needs far more memory than the pipe; boxed, it is gone when the pipe begins.
    let entry = Entry::<D>::new(connection, &context, &config);
    let result = match Box::pin(entry.run(&mut summary)).await {
        Ok(joined) => joined.carry(&config.limits, &context, &mut summary).await,
        Err(result) => result,
    };
    summary.log(&result);
}

/// A device and the exchange, both logged in.
struct Joined {
    device: Stream,
    exchange: TlsStream<TcpStream>,
    ahead: Ahead,
    /// Counts against the limits for as long as the session lives.
    _seat: Seat,
}

impl Joined {
    async fn carry(
        mut self,
        limits: &Limits,
        context: &Context,
        summary: &mut SessionSummary,
    ) -> String {
        let limits = PipeLimits {
            idle: limits.idle_seconds,
            half_closed: limits.half_close_seconds,
            drain: limits.drain_seconds,
        };
        let ended = pipe::pipe(
            &mut self.device,
            &mut self.exchange,
            self.ahead,
            limits,
            &context.stop,
        )
        .await;
        summary.octets(ended.up, ended.down);
        ended.how.to_string()
    }
}

/// A connection up to the end of its login. Errors are how it ended, for the summary line.
struct Entry<'a, D: DeviceSide> {
    context: &'a Context,
    config: &'a Config,
    connection: Connection,
    device: D,
    until: Instant,
}

impl<'a, D: DeviceSide> Entry<'a, D> {
    fn new(connection: Connection, context: &'a Context, config: &'a Config) -> Self {
        Self {
            device: D::start(config, connection.channel()),
            until: connection.since + config.limits.login_seconds,
            connection,
            context,
            config,
        }
    }

    async fn run(mut self, summary: &mut SessionSummary) -> Result<Joined, String> {
        loop {
            let credentials = self.credentials().await?;
            let served = match self.admit(&credentials).await {
                Ok(admitted) => {
                    summary.login(&admitted);
                    self.open(&admitted).await
                }
                Err(denial) => Err(denial),
            };
            match served {
                Ok(opened) => return self.join(opened).await,
                Err(denial) => {
                    self.device.refuse(&denial);
                    // Waiting for us is not the device's delay.
                    self.until = self.until.max(Instant::now() + LAST_WORDS);
                }
            }
        }
    }

    /// Talks with the device until it has said who it is.
    async fn credentials(&mut self) -> Result<Credentials, String> {
        loop {
            let wire = self.device_wire();
            let step = driver::step(&mut self.device, &mut self.connection.stream, wire);
            let step = tokio::select! {
                step = timeout_at(self.until, step) => step,
                () = self.context.stop.cancelled() => {
                    self.bye("The service is restarting; try again in a moment").await;
                    return Err("stopped before a login".to_owned());
                }
            };
            match step {
                Ok(Ok(Step::Event(event))) => match D::understand(event) {
                    Understood::Login(credentials) => return Ok(credentials),
                    Understood::Open => {}
                    Understood::Ended(ending) => {
                        self.last_words().await;
                        return Err(ending);
                    }
                },
                Ok(Ok(Step::StartTls)) => {
                    let within = self.until.saturating_duration_since(Instant::now());
                    let taken_up = self.connection.start_tls(within).await;
                    taken_up.map_err(|error| format!("TLS handshake failed: {error}"))?;
                    self.device.tls_started();
                }
                Ok(Ok(Step::PeerClosed)) => {
                    return Err("closed by the device before a login".to_owned());
                }
                Ok(Ok(Step::Close)) => {
                    self.last_words().await;
                    return Err("closed before a login".to_owned());
                }
                Ok(Err(error)) => {
                    return Err(format!("connection lost before a login: {}", error.kind()));
                }
                Err(_) => {
                    self.bye("No login within the time allowed; connect again")
                        .await;
                    return Err("no login within the limit".to_owned());
                }
            }
        }
    }

    async fn admit(&self, credentials: &Credentials) -> Result<Admitted, Denial> {
        login::admit(self.context, credentials, &self.connection).await
    }

    async fn open(&self, admitted: &Admitted) -> Result<Opened<D::Exchange>, Denial> {
        let wire = if self.config.log.wire {
            Wire::Exchange
        } else {
            Wire::Off
        };
        let opened = self
            .context
            .upstream
            .open::<D::Exchange>(&admitted.mailbox, wire)
            .await;
        opened.map_err(|failure| login::unserved(&failure, admitted, self.connection.session))
    }

    /// Tells the device that it is in.
    async fn join(mut self, opened: Opened<D::Exchange>) -> Result<Joined, String> {
        let Opened {
            stream: exchange,
            dialogue,
            said,
        } = opened;
        self.device.accept(&said);
        let within = self.config.limits.upstream_login_seconds;
        loop {
            let wire = self.device_wire();
            let step = driver::step(&mut self.device, &mut self.connection.stream, wire);
            match timeout(within, step).await {
                Ok(Ok(Step::Event(event))) => {
                    if matches!(D::understand(event), Understood::Open) {
                        break;
                    }
                }
                Ok(Ok(_)) => return Err("closed by the device at login".to_owned()),
                Ok(Err(error)) => {
                    return Err(format!("connection lost at login: {}", error.kind()));
                }
                Err(_) => return Err("the device did not take the answer to its login".to_owned()),
            }
        }
        Ok(Joined {
            device: self.connection.stream,
            exchange,
            ahead: Ahead {
                up: self.device.into_leftover(),
                down: dialogue.into_leftover(),
            },
            _seat: self.connection.seat,
        })
    }

    async fn bye(&mut self, text: &str) {
        self.device
            .bye(&format!("{text} (session {})", self.connection.session));
        self.last_words().await;
    }

    /// Lets the dialogue say what it still has to say, then closes politely.
    async fn last_words(&mut self) {
        let wire = self.device_wire();
        let words = async {
            while let Ok(Step::Event(_)) =
                driver::step(&mut self.device, &mut self.connection.stream, wire).await
            {
            }
            let _ = self.connection.stream.shutdown().await;
        };
        let _ = timeout(LAST_WORDS, words).await;
    }

    fn device_wire(&self) -> Wire {
        if self.config.log.wire {
            Wire::Device
        } else {
            Wire::Off
        }
    }
}
