use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::Instant,
};

use super::*;

const LIMITS: PipeLimits = PipeLimits {
    idle: Duration::from_mins(30),
    half_closed: Duration::from_secs(30),
    drain: Duration::from_secs(20),
};

struct Ends {
    device: DuplexStream,
    exchange: DuplexStream,
    stop: CancellationToken,
    pipe: tokio::task::JoinHandle<Ended>,
}

fn start(buffer: usize) -> Ends {
    start_with(buffer, Ahead::default())
}

fn start_with(buffer: usize, ahead: Ahead) -> Ends {
    let (device, mut inner_device) = duplex(buffer);
    let (exchange, mut inner_exchange) = duplex(buffer);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let pipe = tokio::spawn(async move {
        pipe(
            &mut inner_device,
            &mut inner_exchange,
            ahead,
            LIMITS,
            &stopped,
        )
        .await
    });
    Ends {
        device,
        exchange,
        stop,
        pipe,
    }
}

#[tokio::test]
async fn carries_bytes_both_ways_and_passes_the_last_words() {
    let mut ends = start(64);
    ends.device.write_all(b"a1 NOOP\r\n").await.unwrap();
    let mut got = [0; 9];
    ends.exchange.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"a1 NOOP\r\n");

    ends.exchange.write_all(b"* BYE over\r\n").await.unwrap();
    drop(ends.exchange);
    let mut words = Vec::new();
    ends.device.read_to_end(&mut words).await.unwrap();
    assert_eq!(words, b"* BYE over\r\n");
    drop(ends.device);
    let ended = ends.pipe.await.unwrap();
    assert_eq!(
        ended,
        Ended {
            how: How::Exchange,
            up: 9,
            down: 12
        }
    );
}

#[tokio::test]
async fn a_device_that_closes_its_half_still_gets_the_answer() {
    let mut ends = start(64);
    ends.device.write_all(b"QUIT\r\n").await.unwrap();
    ends.device.shutdown().await.unwrap();
    let mut question = Vec::new();
    ends.exchange.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"QUIT\r\n");
    ends.exchange.write_all(b"+OK bye\r\n").await.unwrap();
    drop(ends.exchange);
    let mut answer = Vec::new();
    ends.device.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"+OK bye\r\n");
    assert_eq!(ends.pipe.await.unwrap().how, How::Device);
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte_and_holds_the_writer_back() {
    let mut ends = start(16);
    let sent: Vec<u8> = (0..200_000u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        ends.exchange.write_all(&sent).await.unwrap();
        ends.exchange.shutdown().await.unwrap();
        ends.exchange
    });
    let mut got = Vec::new();
    let mut piece = [0; 7];
    loop {
        match ends.device.read(&mut piece).await.unwrap() {
            0 => break,
            n => got.extend_from_slice(&piece[..n]),
        }
    }
    assert_eq!(got, expected);
    drop((ends.device, writer.await.unwrap()));
    assert_eq!(ends.pipe.await.unwrap().down, 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_pipe_ends_after_the_idle_limit_and_a_busy_one_does_not() {
    let mut ends = start(64);
    let started = Instant::now();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(1700)).await;
        ends.exchange
            .write_all(b"* OK still here\r\n")
            .await
            .unwrap();
        let mut words = [0; 17];
        ends.device.read_exact(&mut words).await.unwrap();
    }
    assert_eq!(ends.pipe.await.unwrap().how, How::Idle);
    let lived = started.elapsed();
    let expected = Duration::from_mins(85) + LIMITS.idle;
    assert!(
        lived >= expected && lived < expected + Duration::from_secs(30),
        "{lived:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_pipe_is_not_kept_for_the_whole_idle_limit() {
    let ends = start(64);
    let started = Instant::now();
    drop(ends.exchange);
    assert_eq!(ends.pipe.await.unwrap().how, How::Exchange);
    assert!(started.elapsed() < Duration::from_secs(40));
    drop(ends.device);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_daemon_closes_quiet_pipes_and_lets_busy_ones_finish() {
    let quiet = start(64);
    quiet.stop.cancel();
    assert_eq!(quiet.pipe.await.unwrap().how, How::Stopped);

    let mut busy = start(64);
    busy.stop.cancel();
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(1)).await;
        busy.exchange.write_all(b"data").await.unwrap();
        let mut data = [0; 4];
        busy.device.read_exact(&mut data).await.unwrap();
    }
    drop(busy.exchange);
    let mut rest = Vec::new();
    busy.device.read_to_end(&mut rest).await.unwrap();
    drop(busy.device);
    assert_eq!(
        busy.pipe.await.unwrap(),
        Ended {
            how: How::Exchange,
            up: 0,
            down: 20
        }
    );
}

#[tokio::test]
async fn what_was_said_ahead_of_the_pipe_goes_first_even_if_nobody_takes_it_yet() {
    let ahead = Ahead {
        up: b"a2 SELECT INBOX\r\n".repeat(100),
        down: b"* 1 EXISTS\r\n".to_vec(),
    };
    let mut ends = start_with(16, ahead);
    ends.device.write_all(b"a3 NOOP\r\n").await.unwrap();
    let mut down = [0; 12];
    ends.device.read_exact(&mut down).await.unwrap();
    assert_eq!(&down, b"* 1 EXISTS\r\n");
    let mut up = vec![0; 1709];
    ends.exchange.read_exact(&mut up).await.unwrap();
    assert!(up.starts_with(b"a2 SELECT") && up.ends_with(b"\r\na3 NOOP\r\n"));
}

#[tokio::test]
async fn the_last_words_of_an_exchange_that_takes_nothing_more_still_arrive() {
    /// Says good-bye and refuses every write.
    struct Leaving(&'static [u8]);

    impl AsyncRead for Leaving {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(self.0);
            self.0 = b"";
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Leaving {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let (mut device, mut inner_device) = duplex(64);
    let carried = tokio::spawn(async move {
        let ahead = Ahead {
            up: b"a2 NOOP\r\n".to_vec(),
            down: Vec::new(),
        };
        let mut exchange = Leaving(b"* BYE Session invalidated\r\n");
        let stop = CancellationToken::new();
        pipe(&mut inner_device, &mut exchange, ahead, LIMITS, &stop).await
    });
    let mut words = Vec::new();
    device.read_to_end(&mut words).await.unwrap();
    assert_eq!(words, b"* BYE Session invalidated\r\n");
    assert_eq!(carried.await.unwrap().how, How::Exchange);
}
