//! What commands say to their user.

use std::fmt::Display;
use std::process::ExitCode;

/// Says a line.
#[expect(clippy::print_stdout, reason = "this is what a command says to its user")]
pub fn say(line: &str) {
    println!("{line}");
}

/// The exit code of a command, which says why it could not start.
pub fn exit_code<E: Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
