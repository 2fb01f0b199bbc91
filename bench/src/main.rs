//! What the scoreboard measures with. `bench/scoreboard.py` runs it; see `docs/performance.md`.

mod drive;
mod raw_loop;
mod stub;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the scoreboard measures with
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Stub(stub::Arguments),
    Drive(drive::Arguments),
    Loop(raw_loop::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Stub(arguments) => in_two_threads()?.block_on(stub::run(arguments)),
        Command::Drive(arguments) => in_one_thread()?.block_on(drive::run(arguments)),
        Command::Loop(arguments) => in_one_thread()?.block_on(raw_loop::run(arguments)),
    }
}

fn in_one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn in_two_threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Says a line to whoever started it.
#[expect(clippy::print_stdout, reason = "this is what a command says to its user")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
