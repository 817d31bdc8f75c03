//! Doors over real loopback sockets.

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
    let mut whole = "hostname = \"gw.contoso.lan\"\n".to_owned() + text;
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

#[tokio::test]
async fn a_plain_device_is_greeted_and_one_that_begins_with_tls_is_served_so() {
    let config = config("[limits]\ndetect-milliseconds = 2000\n[listener.smtp]");
    let mut house = House::open(&config);
    let client = client(&Certificates::ca_pem(&config).unwrap());
    let stream = house.connect("smtp").await;
    let mut stream = secure(stream, &client).await.unwrap();
    greeted(&mut stream).await;
    assert!(house.came.recv().await.unwrap().1);
}

#[tokio::test]
async fn a_hello_after_the_greeting_fails_once_and_works_the_next_time() {
    let config = config("[limits]\ndetect-milliseconds = 0\n[listener.smtp]");
    let house = House::open(&config);
    let client = client(&Certificates::ca_pem(&config).unwrap());
    let mut stream = house.connect("smtp").await;
    greeted(&mut stream).await;
    assert!(secure(stream, &client).await.is_err());
    while house.doors.connections() > 0 {
        tokio::task::yield_now().await;
    }
    let stream = house.connect("smtp").await;
    greeted(&mut secure(stream, &client).await.unwrap()).await;
}

#[tokio::test]
async fn a_device_that_waits_is_greeted_after_the_window() {
    let config = config("[listener.imap]");
    let mut house = House::open(&config);
    let mut stream = house.connect("imap").await;
    greeted(&mut stream).await;
    stream.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");
    let (peer, encrypted) = house.came.recv().await.unwrap();
    assert_eq!((peer, encrypted), (stream.local_addr().unwrap(), false));
}

#[tokio::test]
async fn a_device_that_speaks_before_the_greeting_loses_nothing() {
    let config = config("[limits]\ndetect-milliseconds = 0\n[listener.smtp]");
    let house = House::open(&config);
    let mut stream = house.connect("smtp").await;
    stream.write_all(b"EHLO early\r\n").await.unwrap();
    greeted(&mut stream).await;
    let mut echoed = [0; 12];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"EHLO early\r\n");
}

#[tokio::test]
async fn tls_after_starttls() {
    let config = config("[listener.smtp]");
    let house = House::open(&config);
    let client = client(&Certificates::ca_pem(&config).unwrap());
    let mut stream = house.connect("smtp").await;
    greeted(&mut stream).await;
    stream.write_all(b"STARTTLS\r\n").await.unwrap();
    let mut go = [0; 8];
    stream.read_exact(&mut go).await.unwrap();
    let mut stream = secure(stream, &client).await.unwrap();
    stream.write_all(b"secret").await.unwrap();
    let mut echoed = [0; 6];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"secret");
}

#[tokio::test]
async fn a_second_connection_resumes_the_first_ones_tls_session() {
    let config = config("[listener.smtps]");
    let house = House::open(&config);
    let client = client(&Certificates::ca_pem(&config).unwrap());
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = secure(house.connect("smtps").await, &client).await.unwrap();
        greeted(&mut stream).await;
        kinds.push(stream.get_ref().1.handshake_kind());
        stream.shutdown().await.unwrap();
        to_the_end(&mut stream).await;
    }
    assert_eq!(
        kinds,
        [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]
    );
}

#[tokio::test]
async fn silence_and_half_a_hello_on_a_tls_port_end_at_the_limit_and_plain_text_at_once() {
    let config = config("[limits]\nlogin-seconds = 1\n[listener.smtps]");
    let mut house = House::open(&config);
    let mut silent = house.connect("smtps").await;
    let mut half = house.connect("smtps").await;
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7])
        .await
        .unwrap();
    let began = Instant::now();
    let mut plain = house.connect("smtps").await;
    plain.write_all(b"EHLO me\r\n").await.unwrap();
    assert_eq!(to_the_end(&mut plain).await, "");
    assert!(began.elapsed() < Duration::from_millis(900));
    to_the_end(&mut silent).await;
    to_the_end(&mut half).await;
    assert!(house.came.try_recv().is_err());
    house.doors.close();
    assert_eq!(house.doors.drained(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn a_client_of_tls_1_0_gets_an_alert() {
    let config = config("[listener.imaps]");
    let house = House::open(&config);
    let mut stream = house.connect("imaps").await;
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // An alert record, fatal, protocol_version or handshake_failure.
    assert_eq!((answer[0], answer[5]), (0x15, 2), "{answer:?}");
}

#[tokio::test]
async fn the_limit_per_peer_is_told_in_the_protocols_words() {
    for (name, words) in [
        ("smtp", "421 4.3.2 "),
        ("imap", "* BYE "),
        ("pop3", "-ERR [SYS/TEMP] "),
    ] {
        let config = config(&format!(
            "[limits]\nconnections-per-peer = 1\n[listener.{name}]"
        ));
        let house = House::open(&config);
        let mut first = house.connect(name).await;
        greeted(&mut first).await;
        let refused = to_the_end(&mut house.connect(name).await).await;
        assert!(refused.starts_with(words), "{refused}");
        first.shutdown().await.unwrap();
        to_the_end(&mut first).await;
        while house.doors.connections() > 0 {
            tokio::task::yield_now().await;
        }
        greeted(&mut house.connect(name).await).await;
    }
}

#[tokio::test]
async fn the_limit_in_all_is_told_too() {
    let config = config("[limits]\nconnections = 1\n[listener.smtp]");
    let house = House::open(&config);
    greeted(&mut house.connect("smtp").await).await;
    let _first = house.connect("smtp").await;
    while house.doors.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = to_the_end(&mut house.connect("smtp").await).await;
    assert!(refused.starts_with("421 "), "{refused}");
}

#[tokio::test]
async fn a_network_that_may_not_connect_hears_so() {
    let config = config(
        "[listener.smtp]\nnetworks = [\"192.168.7.0/24\"]\n[listener.imap]\nnetworks = [\"127.0.0.1\"]",
    );
    let house = House::open(&config);
    let refused = to_the_end(&mut house.connect("smtp").await).await;
    assert!(refused.starts_with("554 5.7.1 "), "{refused}");
    greeted(&mut house.connect("imap").await).await;
}

#[tokio::test]
async fn a_balancer_names_the_device_in_either_version_and_in_any_pieces() {
    let config = config(
        "[listener.smtp]\nproxy-protocol-from = [\"127.0.0.1\"]\nnetworks = [\"192.168.7.0/24\"]\n\
         [listener.smtps]\nproxy-protocol-from = [\"127.0.0.1\"]",
    );
    let mut house = House::open(&config);
    let device: SocketAddr = "192.168.7.20:5555".parse().unwrap();
    let v1 = b"PROXY TCP4 192.168.7.20 10.0.0.1 5555 587\r\n".to_vec();
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([192, 168, 7, 20, 10, 0, 0, 1, 0x15, 0xb3, 2, 0x4b]);
    for header in [&v1, &v2] {
        for cut in [1, 5, 13, 20, header.len()] {
            let mut stream = house.connect("smtp").await;
            stream.set_nodelay(true).unwrap();
            stream.write_all(&header[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(&header[cut..]).await.unwrap();
            stream.write_all(b"EHLO\r\n").await.unwrap();
            greeted(&mut stream).await;
            let mut echoed = [0; 6];
            stream.read_exact(&mut echoed).await.unwrap();
            assert_eq!(&echoed, b"EHLO\r\n", "the header is consumed exactly");
            assert_eq!(house.came.recv().await.unwrap().0, device);
        }
    }
    let mut stream = house.connect("smtp").await;
    stream
        .write_all(b"PROXY TCP4 192.168.8.20 10.0.0.1 5555 587\r\n")
        .await
        .unwrap();
    let refused = to_the_end(&mut stream).await;
    assert!(
        refused.starts_with("554 "),
        "the allowed networks are those of devices: {refused}"
    );

    let client = client(&Certificates::ca_pem(&config).unwrap());
    let mut stream = house.connect("smtps").await;
    stream.write_all(&v1).await.unwrap();
    let mut stream = secure(stream, &client).await.unwrap();
    greeted(&mut stream).await;
    assert_eq!(house.came.recv().await.unwrap(), (device, true));
}

#[tokio::test]
async fn a_balancer_without_a_header_is_closed_without_a_word() {
    let config = config(
        "[limits]\nlogin-seconds = 1\n[listener.smtp]\nproxy-protocol-from = [\"127.0.0.1\"]",
    );
    let house = House::open(&config);
    for start in [
        &b"EHLO me\r\n"[..],
        b"PROXY NONSENSE\r\n",
        b"PROXY TCP4 192.1",
        b"",
    ] {
        let mut stream = house.connect("smtp").await;
        stream.write_all(start).await.unwrap();
        assert_eq!(to_the_end(&mut stream).await, "", "{start:?}");
    }
}

#[tokio::test]
async fn a_proxy_header_from_anybody_else_is_the_sessions_input() {
    let config = config("[listener.smtp]\nproxy-protocol-from = [\"10.9.9.9\"]");
    let mut house = House::open(&config);
    let mut stream = house.connect("smtp").await;
    stream
        .write_all(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")
        .await
        .unwrap();
    greeted(&mut stream).await;
    let mut echoed = [0; 32];
    stream.read_exact(&mut echoed).await.unwrap();
    assert!(echoed.starts_with(b"PROXY TCP4"));
    assert_eq!(
        house.came.recv().await.unwrap().0,
        stream.local_addr().unwrap()
    );
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_running_sessions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let own = |hostname: &str| {
        let maker = folder.path().join("maker.toml");
        fs::write(
            &maker,
            format!("hostname = \"{hostname}\"\nstate-dir = \"{hostname}\""),
        )
        .unwrap();
        let maker = Config::load(Some(&maker), &Overrides::default()).unwrap();
        Certificates::open(&maker).unwrap();
        for file in ["server-p256.pem", "server-p256.key"] {
            fs::copy(
                maker.state_dir.join("tls").join(file),
                folder.path().join(file),
            )
            .unwrap();
        }
        Certificates::ca_pem(&maker).unwrap()
    };
    let tls = format!(
        "[tls]\ncertificate = \"{0}/server-p256.pem\"\nkey = \"{0}/server-p256.key\"\n[listener.smtps]",
        folder.path().display()
    );
    let first = client(&own("first.contoso.lan"));
    let config = config(&tls);
    let house = House::open(&config);
    let mut old = secure(house.connect("smtps").await, &first).await.unwrap();
    greeted(&mut old).await;

    let second = client(&own("second.contoso.lan"));
    house.certificates.reload(&config).unwrap();
    greeted(&mut secure(house.connect("smtps").await, &second).await.unwrap()).await;
    old.write_all(b"still here").await.unwrap();
    let mut echoed = [0; 10];
    old.read_exact(&mut echoed).await.unwrap();

    fs::write(folder.path().join("server-p256.key"), "nonsense").unwrap();
    assert!(house.certificates.reload(&config).is_err());
    greeted(&mut secure(house.connect("smtps").await, &second).await.unwrap()).await;
}

#[tokio::test]
async fn a_reload_keeps_sockets_opens_new_ones_and_closes_those_that_are_gone() {
    let house = House::open(&config("[listener.smtp]\n[listener.pop3]"));
    let (smtp, pop3) = (house.address("smtp"), house.address("pop3"));
    let mut running = house.connect("pop3").await;
    greeted(&mut running).await;

    house
        .doors
        .apply(&config(
            "[limits]\nconnections-per-peer = 1\n[listener.smtp]\n[listener.imap]",
        ))
        .unwrap();
    assert_eq!(house.address("smtp"), smtp);
    assert!(
        house
            .doors
            .bound()
            .iter()
            .all(|bound| bound.address != pop3)
    );
    running.write_all(b"x").await.unwrap();
    running.read_exact(&mut [0]).await.unwrap();
    let refused = to_the_end(&mut house.connect("imap").await).await;
    assert!(
        refused.starts_with("* BYE"),
        "the new limits count what was there before: {refused}"
    );
    while TcpStream::connect(pop3).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reload_that_cannot_bind_changes_nothing() {
    let house = House::open(&config("[listener.smtp]"));
    let taken = house.address("smtp");
    let text = format!("[listener.other]\nprotocol = \"imap\"\naddress = \"{taken}\"");
    let error = house.doors.apply(&config(&text)).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("[listener.other] cannot listen on {taken}: ")),
        "{error}"
    );
    assert!(error.ends_with("another program listens there"), "{error}");
    greeted(&mut house.connect("smtp").await).await;
}

#[tokio::test]
async fn closed_doors_let_sessions_end_by_themselves() {
    let house = House::open(&config("[listener.smtp]"));
    let mut stream = house.connect("smtp").await;
    greeted(&mut stream).await;
    let address = house.address("smtp");
    house.doors.close();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.doors.drained(Duration::ZERO).await, 1);
    stream.shutdown().await.unwrap();
    assert_eq!(house.doors.drained(Duration::from_secs(10)).await, 0);
}

#[tokio::test]
async fn a_burst_of_connections_is_greeted_within_a_second() {
    let house = House::open(&config("[listener.smtp]"));
    let address = house.address("smtp");
    let began = Instant::now();
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..300 {
        burst.spawn(async move { greeted(&mut TcpStream::connect(address).await.unwrap()).await });
    }
    while let Some(greeted) = burst.join_next().await {
        greeted.unwrap();
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}
