//! The command `portreeve`: parses, asks [`control`](crate::control), shows the answer.
//!
//! Decides nothing that an admin's page would have to decide again.

mod args;
mod card;
mod daemon;
mod device;
mod exit;
mod link;
mod mailbox;
mod qr;
mod screen;
mod sign_in;
mod table;
mod times;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use serde::Serialize;

use self::{
    args::{Arguments, Command},
    exit::{End, Outcome},
    link::Link,
};
use crate::config::{Config, Overrides};
use crate::control::Failure;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut runtime = match arguments.command {
        // The daemon uses all cores; a command needs one.
        Command::Run(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let outcome = match runtime.enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments));
            // A question at the terminal may still block a thread.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(End::Failure(Failure::portreeve(format!(
            "The system gives no threads: {error}."
        )))),
    };
    exit::code(outcome)
}

async fn run(arguments: Arguments) -> Outcome {
    let file = arguments.config.clone().or_else(Config::default_file);
    let mut overrides = Overrides {
        state_dir: arguments.state_dir.clone(),
        ..Overrides::default()
    };
    let load = |overrides: &Overrides| {
        Config::load(file.as_deref(), overrides)
            .map_err(|error| Failure::configuration(error.to_string()))
    };
    match arguments.command {
        Command::Run(run) => {
            overrides.lan = run.lan;
            overrides.log_wire = run.log_wire;
            Ok(crate::daemon::run(file, overrides).await?)
        }
        Command::Check => daemon::check(file.as_deref(), &overrides),
        Command::Reload => daemon::reload(load(&overrides)?).await,
        Command::Status(output) => daemon::status(load(&overrides)?, &output).await,
        Command::Ca(args::Ca::Export(export)) => daemon::export(load(&overrides)?, export).await,
        Command::Mailbox(command) => {
            let link = Link::open(load(&overrides)?).await?;
            let outcome = mailbox::run(&link, command).await;
            link.close().await;
            outcome
        }
        Command::Device(command) => {
            let link = Link::open(load(&overrides)?).await?;
            let outcome = device::run(&link, command).await;
            link.close().await;
            outcome
        }
    }
}

/// Prints text that ends with a line end.
fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints an answer for programs.
fn print_json(answer: &impl Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(answer).map_err(io::Error::from)?;
    print(&format!("{text}\n"))
}

/// Prints one of several answers for programs.
fn print_json_line(answer: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(answer).map_err(io::Error::from)?;
    print(&format!("{text}\n"))
}

#[cfg(test)]
mod tests;
