//! A device at the raw socket: says and expects lines, as in a transcript.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long one expected line may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection. Every method that expects something fails with the whole transcript in its words.
pub struct Client {
    stream: Option<Stream>,
    trust: Option<Arc<ClientConfig>>,
    input: Vec<u8>,
    transcript: String,
    last: String,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    /// Connects without TLS.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a read time-out");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a write time-out");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream: Some(Stream::Plain(stream)),
            trust: None,
            input: Vec::new(),
            transcript: String::new(),
            last: String::new(),
        }
    }

    /// Connects and shakes hands at once, as `localhost`.
    pub fn connect_tls(address: SocketAddr, trust: &Arc<ClientConfig>) -> Self {
        let mut client = Self::connect(address).trusting(trust);
        client.start_tls();
        client
    }

    /// Trusts this for a later [`Client::start_tls`].
    #[must_use]
    pub fn trusting(mut self, trust: &Arc<ClientConfig>) -> Self {
        self.trust = Some(trust.clone());
        self
    }

    /// Shakes hands on the connection that is there.
    pub fn start_tls(&mut self) -> &mut Self {
        if let Err(error) = self.try_start_tls() {
            self.fail(&format!("the TLS handshake failed: {error}"));
        }
        self
    }

    /// Shakes hands; the error if that fails.
    pub fn try_start_tls(&mut self) -> io::Result<()> {
        let trust = self.trust.clone().expect("a CA to trust");
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(trust, name).map_err(io::Error::other)?;
        let Some(Stream::Plain(stream)) = self.stream.take() else {
            return Err(io::Error::other("the connection is TLS already"));
        };
        let mut tls = StreamOwned::new(connection, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        self.stream = Some(Stream::Tls(Box::new(tls)));
        Ok(())
    }

    /// The certificate that the other side has shown, in DER.
    pub fn server_certificate(&self) -> Vec<u8> {
        match &self.stream {
            Some(Stream::Tls(stream)) => {
                let certificates = stream.conn.peer_certificates().unwrap_or_default();
                certificates
                    .first()
                    .map(|der| der.to_vec())
                    .unwrap_or_default()
            }
            _ => self.fail("there is no TLS on this connection"),
        }
    }

    /// Sends text as it is.
    pub fn send(&mut self, text: &str) -> &mut Self {
        self.send_bytes(text.as_bytes())
    }

    /// Sends a line; its end is added.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.send(&format!("{text}\r\n"))
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.note("C", bytes);
        if let Err(error) = self.try_send(bytes) {
            self.fail(&format!("cannot send: {error}"));
        }
        self
    }

    /// Sends bytes without writing them into the transcript, for what is large.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.as_mut() {
            Some(Stream::Plain(stream)) => stream.write_all(bytes),
            Some(Stream::Tls(stream)) => stream.write_all(bytes).and_then(|()| stream.flush()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Expects a line with this beginning. Of an SMTP reply with several lines, takes all.
    pub fn expect(&mut self, beginning: &str) -> &mut Self {
        let mut reply = String::new();
        loop {
            let line = self.read_line();
            let goes_on = line.len() > 3
                && line.as_bytes()[3] == b'-'
                && line.as_bytes()[..3].iter().all(u8::is_ascii_digit);
            let _ = writeln!(reply, "{line}");
            if !goes_on {
                break;
            }
        }
        if !reply.starts_with(beginning) {
            self.fail(&format!("expected {beginning:?}, got {reply:?}"));
        }
        self.last = reply;
        self
    }

    /// Reads lines up to one with this beginning; [`Client::last`] has all of them.
    pub fn expect_until(&mut self, beginning: &str) -> &mut Self {
        let mut lines = String::new();
        loop {
            let line = self.read_line();
            let _ = writeln!(lines, "{line}");
            if line.starts_with(beginning) {
                self.last = lines;
                return self;
            }
        }
    }

    /// What the last expectation read.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// The last expectation must hold this text.
    pub fn holding(&mut self, text: &str) -> &mut Self {
        if !self.last.contains(text) {
            self.fail(&format!("expected {text:?} in {:?}", self.last));
        }
        self
    }

    /// The last expectation must not hold this text.
    pub fn not_holding(&mut self, text: &str) -> &mut Self {
        if self.last.contains(text) {
            self.fail(&format!("did not expect {text:?} in {:?}", self.last));
        }
        self
    }

    /// Exactly so many octets.
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            match self.read_more() {
                Ok(0) => self.fail("the connection ended inside of a literal"),
                Ok(_) => {}
                Err(error) => self.fail(&format!("cannot read: {error}")),
            }
        }
        self.input.drain(..count).collect()
    }

    /// Expects that the other side closes, with nothing more said.
    pub fn expect_close(&mut self) -> &mut Self {
        match self.rest() {
            Ok(rest) if rest.is_empty() => self,
            Ok(rest) => self.fail(&format!("expected the end, got {rest:?}")),
            Err(error) => self.fail(&format!("expected a clean end, got: {error}")),
        }
    }

    /// Everything up to the end of the connection; an error if it does not end in time.
    pub fn rest(&mut self) -> io::Result<String> {
        loop {
            match self.read_more() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let rest = String::from_utf8_lossy(&self.input).into_owned();
        self.input.clear();
        Ok(rest)
    }

    /// Whether the next line begins so; `false` if the connection ends instead.
    pub fn rest_starts_with(&mut self, beginning: &str) -> bool {
        while !self.input.contains(&b'\n') {
            if matches!(self.read_more(), Ok(0) | Err(_)) {
                return false;
            }
        }
        self.input.starts_with(beginning.as_bytes())
    }

    /// Nothing comes for this long.
    pub fn expect_silence(&mut self, time: Duration) -> &mut Self {
        if !self.input.is_empty() {
            self.fail("expected silence, but there is more to read");
        }
        self.socket()
            .set_read_timeout(Some(time))
            .expect("a time-out");
        let read = self.read_more();
        self.socket()
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out");
        match read {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                self
            }
            Ok(0) => self.fail("expected silence, but the connection ended"),
            Ok(_) => self.fail("expected silence, but something came"),
            Err(error) => self.fail(&format!("expected silence, got: {error}")),
        }
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) -> &mut Self {
        if let Some(Stream::Tls(stream)) = self.stream.as_mut() {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
        self
    }

    /// `AUTH PLAIN`, and what SMTP or POP3 or IMAP should answer.
    pub fn auth_plain(&mut self, command: &str, login: &str, password: &str) -> &mut Self {
        self.line(&format!("{command} {}", plain_response(login, password)))
    }

    /// Everything said so far.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    fn read_line(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                self.note("S", &line);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                return String::from_utf8_lossy(line).into_owned();
            }
            match self.read_more() {
                Ok(0) => self.fail("the connection ended"),
                Ok(_) if Instant::now() > until => self.fail("no end of a line in time"),
                Ok(_) => {}
                Err(error) => self.fail(&format!("cannot read: {error}")),
            }
        }
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = match self.stream.as_mut() {
            Some(Stream::Plain(stream)) => stream.read(&mut buffer),
            Some(Stream::Tls(stream)) => stream.read(&mut buffer),
            None => Ok(0),
        }?;
        self.input.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn socket(&self) -> &TcpStream {
        match self.stream.as_ref() {
            Some(Stream::Plain(stream)) => stream,
            Some(Stream::Tls(stream)) => &stream.sock,
            None => panic!("the connection is gone"),
        }
    }

    fn note(&mut self, who: &str, bytes: &[u8]) {
        let shown = &bytes[..bytes.len().min(300)];
        let shown = String::from_utf8_lossy(shown);
        let _ = writeln!(
            self.transcript,
            "{who}: {}",
            shown.trim_end().escape_debug()
        );
    }

    fn fail(&self, words: &str) -> ! {
        panic!("{words}\n---- transcript\n{}----", self.transcript);
    }
}

/// The response of SASL PLAIN in base64.
pub fn plain_response(login: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{login}\0{password}"))
}
