//! Greeting, detection, and TLS at once or later.

use super::*;

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
async fn ipv4_on_a_dual_stack_listener_is_ipv4() {
    if std::net::TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let config = config(
        "[listener.lan]\nprotocol = \"smtp\"\naddress = \"[::]:0\"\nnetworks = [\"127.0.0.0/8\"]",
    );
    let mut house = House::open(&config);
    let port = house.address("lan").port();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    greeted(&mut stream).await;
    assert_eq!(
        house.came.recv().await.unwrap().0,
        stream.local_addr().unwrap()
    );
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
    let config = config("[limits]\nlogin-seconds = 2\n[listener.smtps]");
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
    assert!(began.elapsed() < Duration::from_millis(1_900));
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
