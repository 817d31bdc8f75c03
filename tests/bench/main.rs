//! The benchmark: Portreeve beside `HAProxy` on the same fake upstream, in one run on one machine.
//!
//! `HAProxy` does the least that a proxy in this place can do: plain TCP in, verified TLS out, bytes
//! passed on unread; its clients bring their own token. Portreeve logs the device in and swaps the
//! login as well. The figures are for ratios, not for records: clients, upstream and proxy share
//! the machine's cores.

mod arguments;
mod client;
mod haproxy;
mod limits;
mod measure;
mod process;
mod report;
mod soak;

use anyhow::Context as _;
use arguments::Arguments;
use client::Login;
use haproxy::{HaProxy, Resumption};
use measure::{burst, idle, logins};
use portreeve_tests::harness::{Device, Setup, World};
use process::Watched;
use report::{Figures, Report};
use std::process::ExitCode;
use tokio::runtime::Runtime;

const MAILBOX: &str = "bench@contoso.com";

fn main() -> anyhow::Result<ExitCode> {
    limits::raise_open_files()?;
    let arguments = Arguments::parse()?;
    let runtime = Runtime::new()?;
    let mut world = World::with(|setup| roomy(setup, arguments.sessions));
    let device = world.sandboxed(MAILBOX);
    if let Some(time) = arguments.soak {
        return soak::run(&runtime, &world, &device, time);
    }
    let report = compare(&arguments, &runtime, &world, &device)?;
    print!("{}", report.text());
    if let Some(path) = &arguments.write {
        std::fs::write(path, report.markdown())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(report.verdict())
}

/// The daemon as it is by default, with room for all sessions from one address.
fn roomy(setup: Setup, sessions: usize) -> Setup {
    let room = sessions + 2_000;
    setup
        .set("limits", &format!("connections = {room}"))
        .set("limits", &format!("connections-per-peer = {room}"))
}

fn compare(
    arguments: &Arguments,
    runtime: &Runtime,
    world: &World,
    device: &Device,
) -> anyhow::Result<Report> {
    let upstream = world.exchange.addresses().imaps;
    let authority = world.exchange.authority();
    let token = world.entra.issue(MAILBOX);
    let mut figures = Vec::new();
    let mut one = |name: &str, watched: &Watched, login: &Login| -> anyhow::Result<()> {
        eprintln!("measuring {name} …");
        figures.push(Figures {
            name: name.to_owned(),
            // On the fresh process first: memory that a load has freed would hide what a session takes.
            idle: runtime.block_on(idle(login, watched, arguments.sessions))?,
            burst: runtime.block_on(burst(login))?,
            logins: runtime.block_on(logins(login, watched, arguments.logins))?,
        });
        Ok(())
    };
    one(
        "Portreeve",
        &Watched::new(world.portreeve.id()),
        &Login::password(world.portreeve.imap(), &device.login, &device.password),
    )?;
    for resumption in [Resumption::On, Resumption::Off] {
        let haproxy = HaProxy::start(
            upstream,
            authority.pem_path(),
            resumption,
            arguments.sessions,
        )?;
        one(
            resumption.name(),
            &Watched::new(haproxy.id()),
            &Login::token(haproxy.address(), MAILBOX, &token),
        )?;
    }
    Ok(Report::new(figures))
}
