//! Exit codes, and how a command ends.

use std::process::ExitCode;

use crate::control::{Failure, Fault};

/// It worked.
pub(super) const DONE: u8 = 0;
/// It did not work; the reason is printed.
pub(super) const FAILED: u8 = 1;
/// The command line is wrong (clap uses the same).
pub(super) const USAGE: u8 = 2;
/// The daemon or the state folder cannot be reached.
pub(super) const UNREACHABLE: u8 = 3;
/// The sign-in is not finished and stays open.
pub(super) const UNFINISHED: u8 = 4;

/// Why a command ends before it is done.
#[derive(Debug)]
pub(super) enum End {
    /// With a reason to print.
    Failure(Failure),
    /// With a sentence for whoever waits no longer.
    Unfinished(String),
    /// With words about the command line.
    Usage(String),
    /// Everything was said already.
    Said,
}

/// How a command ends.
pub(super) type Outcome = Result<(), End>;

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // `portreeve device list | head -1`: nobody wants to read the rest.
            return Self::Said;
        }
        Self::Failure(Failure::portreeve(format!(
            "Cannot write the output: {error}."
        )))
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::Failure(match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Failure::portreeve(format!("{error:#}")),
        })
    }
}

/// Prints the reason, if there is one, and names the code.
pub(super) fn code(outcome: Outcome) -> ExitCode {
    let code = match outcome {
        Ok(()) => DONE,
        Err(End::Said) => FAILED,
        Err(End::Usage(words)) => {
            eprintln!("portreeve: {words}");
            USAGE
        }
        Err(End::Unfinished(words)) => {
            eprintln!("{words}");
            UNFINISHED
        }
        Err(End::Failure(failure)) => {
            eprintln!("portreeve: {failure}");
            match failure.fault {
                Fault::Unreachable | Fault::Occupied => UNREACHABLE,
                _ => FAILED,
            }
        }
    };
    ExitCode::from(code)
}
