//! Limits, allowed networks, and many at once.

use super::*;

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
async fn a_burst_of_connections_is_greeted_side_by_side() {
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
    // One after the other the window alone would take six seconds.
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}
