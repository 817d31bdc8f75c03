//! What changes under running sessions, and the end.

use super::*;

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
async fn a_certificate_that_somebody_renews_is_taken_up_within_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let own = |hostname: &str| {
        let maker = folder.path().join("maker.toml");
        fs::write(
            &maker,
            format!("hostname = \"{hostname}\"\nstate-dir = \"made\""),
        )
        .unwrap();
        let maker = Config::load(Some(&maker), &Overrides::default()).unwrap();
        Certificates::open(&maker).unwrap();
    };
    own("first.contoso.lan");
    let tls = folder.path().join("made/tls");
    let config = config(&format!(
        "[tls]\ncertificate = \"{0}/server-p256.pem\"\nkey = \"{0}/server-p256.key\"",
        tls.display()
    ));
    let certificates = Arc::new(Certificates::open(&config).unwrap());
    let before = certificates.facts();
    let (_config, config_now) = watch::channel(Arc::new(config));
    let stop = CancellationToken::new();
    tokio::time::pause();
    let renewing = tokio::spawn(renewal::run(
        Arc::clone(&certificates),
        config_now,
        stop.clone(),
    ));
    own("second.contoso.lan");
    while certificates.facts() == before {
        tokio::time::advance(Duration::from_hours(1)).await;
    }
    assert!(
        certificates.facts()[0]
            .names
            .contains(&"second.contoso.lan".to_owned())
    );
    stop.cancel();
    renewing.await.unwrap();
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
