//! Doors over real loopback sockets.

mod limits;
mod proxied;
mod reload;
mod tls;

use std::{fs, path::Path, sync::OnceLock, time::Instant};

use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::config::Overrides;

/// Certificates are made once for all tests of this file.
fn state_dir() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// A configuration whose default listeners are off, but for what the text says.
fn config(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portreeve.toml");
    let mut whole = format!("hostname = \"gw.contoso.lan\"\n{text}\n");
    for name in ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"] {
        if text.contains(&format!("[listener.{name}]")) {
            let section = format!("[listener.{name}]\n");
            whole = whole.replace(&section, &format!("{section}address = \"127.0.0.1:0\"\n"));
        } else {
            whole = whole + "\n[listener." + name + "]\nenabled = false\n";
        }
    }
    fs::write(&file, whole).unwrap();
    let overrides = Overrides {
        state_dir: Some(state_dir().to_owned()),
        ..Overrides::default()
    };
    Config::load(Some(&file), &overrides).unwrap()
}

/// Doors whose sessions greet, report who came, and echo until the peer leaves.
struct House {
    doors: Doors,
    certificates: Arc<Certificates>,
    came: mpsc::UnboundedReceiver<(SocketAddr, bool)>,
}

const GREETING: &[u8] = b"220 here\r\n";

impl House {
    fn open(config: &Config) -> Self {
        let certificates = Arc::new(Certificates::open(config).unwrap());
        let (tell, came) = mpsc::unbounded_channel();
        let doors = Doors::open(config, Arc::clone(&certificates), move |connection| {
            tell.send((connection.peer, connection.stream.is_encrypted()))
                .unwrap();
            echo(connection)
        });
        Self {
            doors: doors.unwrap(),
            certificates,
            came,
        }
    }

    fn address(&self, name: &str) -> SocketAddr {
        let bound = self.doors.bound();
        bound
            .iter()
            .find(|bound| bound.listener.name == name)
            .unwrap()
            .address
    }

    async fn connect(&self, name: &str) -> TcpStream {
        TcpStream::connect(self.address(name)).await.unwrap()
    }
}

async fn echo(mut connection: Connection) {
    let _ = connection.stream.write_all(GREETING).await;
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = connection.stream.read(&mut buffer).await {
        if buffer.starts_with(b"STARTTLS") {
            let _ = connection.stream.write_all(b"220 go\r\n").await;
            if connection.start_tls(Duration::from_secs(5)).await.is_err() {
                return;
            }
            continue;
        }
        let _ = connection.stream.write_all(&buffer[..length]).await;
    }
    let _ = connection.stream.shutdown().await;
}

/// Everything until the peer closes.
async fn to_the_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn greeted(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, GREETING);
}

fn client(roots: &str) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(keys::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    Arc::new(config)
}

async fn secure(stream: TcpStream, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(client))
        .connect(name, stream)
        .await
}
