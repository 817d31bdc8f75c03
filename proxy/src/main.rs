//! The daemon and command `portreeve`.

use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve::main()
}
