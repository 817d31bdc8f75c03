//! PROXY headers.

use super::*;

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
