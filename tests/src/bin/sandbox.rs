//! `cargo sandbox`: a complete try-out without a tenant.
//!
//! Starts a fake Entra ID and a fake Exchange Online on loopback and the real `portreeve` between
//! them, signs a mailbox in, adds a device, prints what to paste, and shows what arrives. Everything is
//! in a temp folder and gone afterwards.

use anyhow::{Context, bail};
use portreeve_tests::{
    fakes::{Entra, Exchange, exchange::Submission},
    harness::{Client, Device, Portreeve, Setup, World},
};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const MAILBOX: &str = "scans@contoso.com";
const FRIEND: &str = "anna@contoso.com";
const HELP: &str = "\
Try Portreeve without a tenant: a fake Entra ID and a fake Exchange Online on this machine.

  cargo sandbox             everything signed in and ready; shows messages until Ctrl-C
  cargo sandbox --by-hand   you enter the device code yourself, on the fake sign-in page
  cargo sandbox --once      sends one message, reads it back, and ends";

fn main() -> anyhow::Result<()> {
    let (mut by_hand, mut once) = (false, false);
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--by-hand" => by_hand = true,
            "--once" => once = true,
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            other => bail!("there is no {other}\n\n{HELP}"),
        }
    }
    build()?;
    let mut world = begin();
    sign_in(&world, by_hand)?;
    let device = world.device("Sandbox scanner", MAILBOX, &[]);
    let authority = world.portreeve.folder().join("portreeve-ca.pem");
    std::fs::write(&authority, world.portreeve.ca_pem())?;
    recipe(&world.portreeve, &device, &authority);
    if once {
        return send_one_and_read_it(&world, &device);
    }
    watch(&world.exchange)
}

/// Brings `portreeve` up to date beside this program, unless one is named.
fn build() -> anyhow::Result<()> {
    if env::var_os("PORTREEVE_BIN").is_some() {
        return Ok(());
    }
    let own = env::current_exe()?;
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "portreeve"]);
    if own
        .parent()
        .is_some_and(|folder| folder.ends_with("release"))
    {
        command.arg("--release");
    }
    let status = command.status().context("cargo, to build portreeve")?;
    if !status.success() {
        bail!("portreeve does not build");
    }
    Ok(())
}

fn begin() -> World {
    println!("Portreeve sandbox: nothing here leaves this machine.\n");
    let entra = Entra::start();
    entra.poll_interval(1);
    entra.account(MAILBOX);
    let exchange = Exchange::start(&entra);
    exchange.mailbox(FRIEND);
    let portreeve = Setup::new().fakes(&entra, &exchange).start();
    let at = exchange.addresses();
    println!("  fake Entra ID         {}", entra.login_page());
    println!(
        "  fake Exchange Online  IMAP {}, POP3 {}, SMTP {}",
        at.imaps, at.pop3s, at.smtp
    );
    println!(
        "  Portreeve             IMAP {}, POP3 {}, SMTP {}\n",
        portreeve.imaps(),
        portreeve.pop3s(),
        portreeve.smtp()
    );
    World {
        portreeve,
        exchange,
        entra,
    }
}

fn sign_in(world: &World, by_hand: bool) -> anyhow::Result<()> {
    if by_hand {
        println!("Open the page below, enter the code, and sign in as {MAILBOX}.\n");
        let mut command = world.portreeve.command(&["mailbox", "add", MAILBOX]);
        if !command.status()?.success() {
            bail!("the mailbox is not signed in");
        }
    } else {
        world.sign_in(MAILBOX);
        println!("{MAILBOX} is signed in: somebody approved the device code on the fake page.");
    }
    Ok(())
}

/// What to paste.
fn recipe(portreeve: &Portreeve, device: &Device, authority: &Path) {
    let (user, password) = (&device.login, &device.password);
    let (smtp, imaps) = (portreeve.smtp().port(), portreeve.imaps().port());
    let ca = authority.display();
    println!(
        "
A device logs in with a user name and a password, and knows nothing of OAuth:

  user name  {user}
  password   {password}
  CA file    {ca}

Send with any of these:

  swaks --server localhost:{smtp} --tls --tls-verify --tls-ca-path {ca} --auth LOGIN --auth-user '{user}' --auth-password '{password}' --from {MAILBOX} --to {FRIEND} --header 'Subject: hello from swaks'

  printf 'Subject: hello from curl\\r\\n\\r\\nhello\\r\\n' | curl -sS --ssl-reqd --cacert {ca} --user '{user}:{password}' --mail-from {MAILBOX} --mail-rcpt {FRIEND} --upload-file - smtp://localhost:{smtp}

  python3 -c 'import smtplib,ssl; s=smtplib.SMTP(\"localhost\",{smtp}); s.starttls(context=ssl.create_default_context(cafile=\"{ca}\")); s.login(\"{user}\",\"{password}\"); s.sendmail(\"{MAILBOX}\",\"{FRIEND}\",\"Subject: hello from python\\r\\n\\r\\nhello\"); s.quit()'

Look into the mailbox:

  curl -sS --cacert {ca} --user '{user}:{password}' imaps://localhost:{imaps}/Sent -X 'SEARCH ALL'
"
    );
}

/// Shows every message until Ctrl-C.
fn watch(exchange: &Exchange) -> anyhow::Result<()> {
    let mut arrivals = exchange.arrivals();
    println!("Waiting for messages. Ctrl-C ends the sandbox.\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        loop {
            tokio::select! {
                Some(submission) = arrivals.recv() => show(&submission),
                stopped = tokio::signal::ctrl_c() => return stopped,
            }
        }
    })?;
    println!("\nThe sandbox is closed.");
    Ok(())
}

fn show(submission: &Submission) {
    println!(
        "  {}  {} -> {}  \"{}\"  {} octets",
        jiff::Zoned::now().strftime("%H:%M:%S"),
        submission.from,
        submission.to.join(", "),
        submission.header("subject").unwrap_or_default(),
        submission.size
    );
}

fn send_one_and_read_it(world: &World, device: &Device) -> anyhow::Result<()> {
    let mut smtp = world.smtp(device);
    smtp.line(&format!("MAIL FROM:<{MAILBOX}>")).expect("250");
    smtp.line(&format!("RCPT TO:<{MAILBOX}>")).expect("250");
    smtp.line("DATA").expect("354");
    smtp.send("Subject: hello from the sandbox\r\n\r\nhello\r\n.\r\n")
        .expect("250");
    smtp.line("QUIT").expect("221");
    let submissions = world.exchange.wait_for_submissions(1);
    submissions.iter().for_each(show);
    let mut imap: Client = world.imap(device);
    imap.line("1 SELECT INBOX").expect_until("1 OK");
    imap.line("2 FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        .expect_until("2 OK");
    if !imap.last().contains("hello from the sandbox") {
        bail!("the message is not in the mailbox:\n{}", imap.last());
    }
    imap.line("3 LOGOUT").expect_until("3 OK");
    println!("  sent by SMTP and read back by IMAP, through Portreeve");
    Ok(())
}
