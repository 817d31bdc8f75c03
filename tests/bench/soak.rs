//! The soak: mixed work for minutes, and a look at whether memory or files grow.

use crate::{client::Login, process::Watched};
use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use portreeve_tests::harness::{Device, World};
use std::{
    fs,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

/// Clients of each kind.
const CLIENTS: usize = 8;
const MESSAGE_LINES: usize = 2_000;
/// What memory may grow between the first third and the end: what an allocator keeps back.
const GROWTH: u64 = 8_000_000;

/// Works for this long and judges.
pub(crate) fn run(
    runtime: &Runtime,
    world: &World,
    device: &Device,
    time: Duration,
) -> anyhow::Result<ExitCode> {
    world.exchange.hash_only(true);
    let watched = Watched::new(world.portreeve.id());
    let login = Login::password(world.portreeve.imap(), &device.login, &device.password);
    let smtp = world.portreeve.smtp();
    let first = runtime.block_on(work(&login, smtp, device, time / 3))?;
    let (memory, files) = (watched.resident()?, open_files(world)?);
    let second = runtime.block_on(work(&login, smtp, device, time / 3 * 2))?;
    let (memory_after, files_after) = (watched.resident()?, open_files(world)?);
    println!(
        "{} logins and {} messages in {} s; memory {} kB, then {} kB; open files {files}, then {files_after}",
        first.logins + second.logins,
        first.messages + second.messages,
        time.as_secs(),
        memory / 1000,
        memory_after / 1000,
    );
    ensure!(
        memory_after <= memory + GROWTH,
        "memory grew by {} kB",
        (memory_after - memory) / 1000
    );
    // Upstream connections of the last sessions may still be closing.
    ensure!(
        files_after <= files + 2 * CLIENTS,
        "open files grew from {files} to {files_after}"
    );
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Default)]
struct Done {
    logins: u64,
    messages: u64,
}

async fn work(
    login: &Login,
    smtp: SocketAddr,
    device: &Device,
    time: Duration,
) -> anyhow::Result<Done> {
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let login = login.clone();
        clients.spawn(async move {
            let mut done = Done::default();
            while Instant::now() < until {
                login.open().await?.log_out().await?;
                done.logins += 1;
            }
            anyhow::Ok(done)
        });
        let device = device.clone();
        clients.spawn(async move {
            let mut done = Done::default();
            while Instant::now() < until {
                send(smtp, &device).await?;
                done.messages += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = Done::default();
    while let Some(done) = clients.join_next().await {
        let done = done??;
        all.logins += done.logins;
        all.messages += done.messages;
    }
    Ok(all)
}

/// Sends one message of about 100 kB.
async fn send(address: SocketAddr, device: &Device) -> anyhow::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let plain = STANDARD.encode(format!("\0{}\0{}", device.login, device.password));
    let body = "0123456789 abcdefghijklmnopqrstuvwxyz 0123456789\r\n".repeat(MESSAGE_LINES);
    let address = crate::MAILBOX;
    reply(&mut stream, "220").await?;
    for (command, code) in [
        ("EHLO soak".to_owned(), "250"),
        (format!("AUTH PLAIN {plain}"), "235"),
        (format!("MAIL FROM:<{address}>"), "250"),
        (format!("RCPT TO:<{address}>"), "250"),
        ("DATA".to_owned(), "354"),
        (
            format!("From: <{address}>\r\nTo: <{address}>\r\nSubject: soak\r\n\r\n{body}."),
            "250",
        ),
        ("QUIT".to_owned(), "221"),
    ] {
        stream
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        reply(&mut stream, code).await?;
    }
    Ok(())
}

/// Reads a whole reply.
async fn reply(stream: &mut BufReader<TcpStream>, code: &str) -> anyhow::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.starts_with(code), "expected {code}, got {line:?}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

fn open_files(world: &World) -> anyhow::Result<usize> {
    let folder = format!("/proc/{}/fd", world.portreeve.id());
    Ok(fs::read_dir(folder).context("open files")?.count())
}
