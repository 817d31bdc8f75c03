//! An IMAP client that does nothing but log in: as light as possible, so that it measures the other.

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// Where and how to log in.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    address: SocketAddr,
    command: String,
}

/// A session after its greeting.
#[derive(Debug)]
pub(crate) struct Session {
    stream: TcpStream,
}

impl Login {
    /// As a device does.
    pub(crate) fn password(address: SocketAddr, user: &str, password: &str) -> Self {
        Self {
            address,
            command: format!("a LOGIN \"{user}\" \"{password}\"\r\n"),
        }
    }

    /// As a client does that has a token itself.
    pub(crate) fn token(address: SocketAddr, user: &str, token: &str) -> Self {
        let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        Self {
            address,
            command: format!("a AUTHENTICATE XOAUTH2 {response}\r\n"),
        }
    }

    /// Connects and waits for the greeting.
    pub(crate) async fn greeted(&self) -> anyhow::Result<Session> {
        let socket = TcpSocket::new_v4()?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut session = Session { stream };
        session.until("* OK").await.context("the greeting")?;
        Ok(session)
    }

    /// Connects and logs in.
    pub(crate) async fn open(&self) -> anyhow::Result<Session> {
        let mut session = self.greeted().await?;
        session.stream.write_all(self.command.as_bytes()).await?;
        session.until("a OK").await.context("the login")?;
        Ok(session)
    }
}

impl Session {
    /// Logs out and waits for the end of the connection.
    pub(crate) async fn log_out(mut self) -> anyhow::Result<()> {
        self.stream.write_all(b"b LOGOUT\r\n").await?;
        self.until("b OK").await.context("the logout")?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await?;
        Ok(())
    }

    /// Reads until a line begins so.
    async fn until(&mut self, beginning: &str) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            let read = self.stream.read(&mut buffer).await?;
            heard.extend_from_slice(&buffer[..read]);
            let lines = String::from_utf8_lossy(&heard);
            let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
            if whole.lines().any(|line| line.starts_with(beginning)) {
                return Ok(());
            }
            if read == 0 || lines.contains("a NO") || lines.contains("a BAD") {
                bail!("expected {beginning:?}, heard {lines:?}");
            }
        }
    }
}
