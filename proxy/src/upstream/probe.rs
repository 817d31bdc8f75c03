//! A real login to see whether a mailbox can be used: after a sign-in, and for `mailbox test`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portreeve_auth::{AccessToken, Mailbox, Protocol};
use portreeve_protocols::{Refusal, RefusalKind, imap, line::LineBuffer, pop3, smtp};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{ExchangeSide, Failure, Opened, Upstream};
use crate::session::{driver::Wire, scratch};

/// What a trial login showed.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// `Ok`: the server let us in. `Err`: why not, for the admin.
    pub(crate) outcome: Result<(), Failure>,
    /// How long it took.
    pub(crate) duration: Duration,
}

impl Upstream {
    /// Logs in to the mailbox as a device's session would; earlier refusals are forgotten first.
    pub(crate) async fn probe(&self, mailbox: &Mailbox, protocol: Protocol) -> Probe {
        self.forgive(&mailbox.address);
        let started = Instant::now();
        let wire = Wire::Off;
        let outcome = match protocol {
            Protocol::Imap => match self.open::<imap::exchange::Exchange>(mailbox, wire).await {
                Ok(opened) => self.connected(opened, mailbox).await,
                Err(failure) => Err(failure),
            },
            // Dropping the connection is good-bye enough: nothing was begun.
            Protocol::Pop3 => self
                .open::<pop3::exchange::Exchange>(mailbox, wire)
                .await
                .map(drop),
            Protocol::Smtp => self
                .open::<smtp::exchange::Exchange>(mailbox, wire)
                .await
                .map(drop),
        };
        Probe {
            outcome,
            duration: started.elapsed(),
        }
    }

    /// Logs in with this very token, which the broker may not know yet.
    pub(crate) async fn prove(
        &self,
        mailbox: &Mailbox,
        token: &AccessToken,
        protocol: Protocol,
    ) -> Result<(), Failure> {
        self.forgive(&mailbox.address);
        match protocol {
            Protocol::Imap => {
                let opened = self
                    .trial::<imap::exchange::Exchange>(mailbox, token)
                    .await?;
                self.connected(opened, mailbox).await
            }
            Protocol::Pop3 => self
                .trial::<pop3::exchange::Exchange>(mailbox, token)
                .await
                .map(drop),
            Protocol::Smtp => self
                .trial::<smtp::exchange::Exchange>(mailbox, token)
                .await
                .map(drop),
        }
    }

    async fn trial<X: ExchangeSide>(
        &self,
        mailbox: &Mailbox,
        token: &AccessToken,
    ) -> Result<Opened<X>, Failure> {
        let config = Arc::clone(&self.config.borrow());
        let endpoint = config.mail_servers(&mailbox.provider).endpoint(X::PROTOCOL);
        self.attempt(mailbox, token, endpoint, &config, Wire::Off)
            .await
    }

    /// Exchange lets a token in whose user may not open the mailbox, and says so only at the next
    /// command ("User is authenticated but not connected").
    async fn connected(
        &self,
        opened: Opened<imap::exchange::Exchange>,
        mailbox: &Mailbox,
    ) -> Result<(), Failure> {
        let config = Arc::clone(&self.config.borrow());
        let server = config.mail_servers(&mailbox.provider).imap.to_string();
        let within = config.limits.upstream_login_seconds;
        let mut stream = opened.stream;
        let words = match timeout(within, examine(&mut stream)).await {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(words))) => words,
            Ok(Err(error)) => {
                return Err(Failure::Unreachable {
                    server,
                    words: error.to_string(),
                });
            }
            Err(_) => {
                let words = format!("no answer to EXAMINE within {} s", within.as_secs());
                return Err(Failure::Unreachable { server, words });
            }
        };
        Err(Failure::Refused {
            server,
            refusal: Refusal {
                kind: RefusalKind::AccessDenied,
                words,
            },
        })
    }
}

/// The longest line of an answer to EXAMINE; FLAGS lists can be long.
const LINE_OCTETS: usize = 16 * 1024;

/// Opens the inbox without touching it; `Some` words if the server does not let us.
async fn examine(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Option<String>> {
    stream.write_all(b"P1 EXAMINE INBOX\r\n").await?;
    stream.flush().await?;
    let mut lines = LineBuffer::new();
    loop {
        while let Some(line) = lines
            .take_line(LINE_OCTETS)
            .map_err(|_| std::io::ErrorKind::InvalidData)?
        {
            let words = String::from_utf8_lossy(&line).into_owned();
            if words.starts_with("P1 OK") {
                return Ok(None);
            }
            if words.starts_with("P1 ") || words.starts_with("* BYE") {
                return Ok(Some(words));
            }
        }
        let open = scratch::read_with(stream, |bytes| {
            lines.push(bytes);
            !bytes.is_empty()
        });
        if !open.await? {
            return Ok(Some(
                "the server closed the connection at EXAMINE".to_owned(),
            ));
        }
    }
}
