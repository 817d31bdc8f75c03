//! SMTP: a conversation of transactions, delivered directly.
//!
//! AUTH is answered from the local login and a token; the exchange's session is taken at MAIL; the
//! device hears what the exchange says. Bodies are streamed, never held whole.

mod envelope;
mod intake;
mod link;
mod transaction;
mod upload;

use std::{io, sync::Arc, time::Duration};

use portreeve_auth::{Admitted, Protocol};
use portreeve_protocols::{
    Credentials,
    smtp::{
        Abilities, Reply,
        device::{self, Device, Event},
    },
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep_until, timeout},
};

use self::{
    link::Link,
    transaction::{Outcome, Transaction},
};
use super::{
    Context, LAST_WORDS,
    driver::{self, Step, Wire},
    login,
};
use crate::{
    config::{Config, Limits},
    door::Connection,
    watch::SessionSummary,
};

/// Serves one connection to its end.
pub(super) async fn serve(connection: Connection, context: Arc<Context>) {
    let mut summary = SessionSummary::new(&connection);
    let mut session = Session::new(connection, &context);
    let result = session.run().await;
    session.close();
    if let Some(admitted) = &session.identity {
        summary.login(admitted);
    }
    summary.messages(session.messages);
    summary.octets(session.octets, 0);
    summary.log(&result);
}

/// How long a quiet session with the exchange is kept for the device's next message (design,
/// section 3).
const UPSTREAM_IDLE: Duration = Duration::from_secs(30);

struct Session<'a> {
    context: &'a Context,
    config: Arc<Config>,
    limits: Arc<Limits>,
    connection: Connection,
    device: Device,
    identity: Option<Admitted>,
    link: Option<Link>,
    transaction: Option<Transaction>,
    login_until: Instant,
    messages: u32,
    octets: u64,
}

impl<'a> Session<'a> {
    fn new(connection: Connection, context: &'a Context) -> Self {
        let config = Arc::clone(&context.config.borrow());
        let limits = Arc::clone(&config.limits);
        let peer = connection.peer.ip();
        let identity = context.gate.recognise(peer, Protocol::Smtp);
        let device = Device::new(device::Options {
            hostname: config.hostname.clone(),
            channel: connection.channel(),
            trace: config.log.wire,
            limits: limits.smtp_device(),
            abilities: abilities(&config),
            identified: identity.is_some(),
            auth_equals: connection.listener.auth_equals,
            needs_admin_is_permanent: connection.listener.needs_admin_is_permanent,
        });
        Self {
            context,
            login_until: connection.since + limits.login_seconds,
            config,
            limits,
            connection,
            device,
            identity,
            link: None,
            transaction: None,
            messages: 0,
            octets: 0,
        }
    }

    /// Runs the conversation; the result is for the summary line.
    async fn run(&mut self) -> String {
        loop {
            let event = match self.next().await {
                Ok(Next::Event(event)) => event,
                Ok(Next::Again) => continue,
                Ok(Next::Ended(result)) => return result,
                Err(error) => return format!("connection lost: {}", error.kind()),
            };
            match event {
                Event::Login(credentials) => self.login(&credentials).await,
                Event::Mail(mail) => self.mail(mail).await,
                Event::Rcpt(recipient) => self.rcpt(recipient).await,
                Event::Data => self.data(),
                Event::Body => match self.upload().await {
                    Ok(()) => {}
                    Err(result) => return result,
                },
                Event::Reset => self.give_up("given up by the device").await,
                Event::Ended(ending) => {
                    self.last_words().await;
                    return ending.to_string();
                }
            }
        }
    }
}

/// What comes next in a conversation.
enum Next {
    Event(Event),
    /// The dialogue was told something and has its say now.
    Again,
    /// The conversation is over; how, for the summary line.
    Ended(String),
}

impl Session<'_> {
    /// Waits for the device within the limit that holds now; lets go of a quiet link meanwhile.
    async fn next(&mut self) -> io::Result<Next> {
        let now = Instant::now();
        let mut until = match self.identity {
            Some(_) => now + self.limits.smtp_command_seconds,
            None => self.login_until,
        };
        let link_until = now + UPSTREAM_IDLE;
        let between = self.transaction.is_none();
        let wire = self.wire();
        let step = 'step: loop {
            let lines = self.device.lines();
            {
                let turn = driver::turn(&mut self.device, &mut self.connection.stream, wire);
                tokio::pin!(turn);
                loop {
                    tokio::select! {
                        turned = &mut turn => match turned? {
                            Some(step) => break 'step Some(step),
                            None => break,
                        },
                        () = sleep_until(link_until), if between && self.link.is_some() => {
                            if let Some(link) = self.link.take() {
                                link.quit();
                            }
                        }
                        () = self.context.stop.cancelled(), if between => break 'step None,
                        () = sleep_until(until) => break 'step None,
                    }
                }
            }
            // A command that is no event, such as NOOP, is a sign of life all the same.
            if self.identity.is_some() && self.device.lines() != lines {
                until = Instant::now() + self.limits.smtp_command_seconds;
            }
        };
        match step {
            Some(Step::Event(event)) => Ok(Next::Event(event)),
            Some(Step::StartTls) => self.start_tls().await,
            Some(Step::PeerClosed) => Ok(Next::Ended("closed by the device".to_owned())),
            Some(Step::Close) => {
                self.last_words().await;
                Ok(Next::Ended("closed".to_owned()))
            }
            None => Ok(Next::Ended(self.shut_down().await)),
        }
    }

    /// Between transactions, when the daemon stops or the device is silent for too long.
    async fn shut_down(&mut self) -> String {
        let (text, result) = if self.context.stop.is_cancelled() {
            (
                "The service is restarting; try again in a moment",
                "stopped",
            )
        } else {
            (
                "Nothing was heard for too long; connect again",
                "silent for too long",
            )
        };
        self.device.shut_down(&self.signed(text));
        self.last_words().await;
        result.to_owned()
    }

    async fn start_tls(&mut self) -> io::Result<Next> {
        let within = self.limits.login_seconds;
        if let Err(error) = self.connection.start_tls(within).await {
            return Ok(Next::Ended(format!("TLS handshake failed: {error}")));
        }
        self.device.tls_started();
        Ok(Next::Again)
    }

    async fn login(&mut self, credentials: &Credentials) {
        let admitted = match login::admit(self.context, credentials, &self.connection).await {
            Ok(admitted) => admitted,
            Err(denial) => return self.device.login_refused(&denial),
        };
        match self
            .context
            .upstream
            .ready(&admitted.mailbox, Protocol::Smtp)
            .await
        {
            Ok(()) => {
                // A link opened for whoever the network said it was belongs to another mailbox.
                self.drop_link();
                self.identity = Some(admitted);
                self.device.login_accepted();
            }
            Err(failure) => {
                self.device.login_refused(&login::unserved(
                    &failure,
                    &admitted,
                    self.connection.session,
                ));
            }
        }
    }

    /// Lets the dialogue say what it still has to say, then closes politely.
    async fn last_words(&mut self) {
        let wire = self.wire();
        let words = async {
            while let Ok(Step::Event(_)) =
                driver::step(&mut self.device, &mut self.connection.stream, wire).await
            {
            }
            let _ = self.connection.stream.shutdown().await;
        };
        let _ = timeout(LAST_WORDS, words).await;
    }

    /// A session that ends inside a transaction drops the exchange's connection: no dot is sent.
    fn close(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            let why = "the session ended before the message was complete";
            transaction.ended(&Outcome::GivenUp(why));
            self.link = None;
        }
        self.drop_link();
    }

    fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            link.quit();
        }
    }

    fn refusal(&self, code: u16, text: &str) -> Reply {
        Reply::new(code, &self.signed(text))
    }

    /// A text of ours, with the id under which the log has the rest.
    fn signed(&self, text: &str) -> String {
        format!("{text} (session {})", self.connection.session)
    }

    fn wire(&self) -> Wire {
        if self.config.log.wire {
            Wire::Device
        } else {
            Wire::Off
        }
    }

    fn exchange_wire(&self) -> Wire {
        if self.config.log.wire {
            Wire::Exchange
        } else {
            Wire::Off
        }
    }
}

/// What EHLO may promise: what every provider's server is known to offer, and our own size limit.
fn abilities(config: &Config) -> Abilities {
    Abilities {
        size: Some(config.limits.message_octets),
        eight_bit: true,
        smtputf8: config.mail_servers(&config.default_provider).smtp_utf8,
    }
}
