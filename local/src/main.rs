//! `cargo run`: the whole product on this machine.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evosync_connections::platform::{Clock, Entropy};
use evosync_connections::telemetry::METRICS;
use local::console::{exit_code, say};
use local::issuer::PEOPLE;
use local::{Options, Stack};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// EvoSync connections on this machine: the product, and everything it talks to.
#[derive(Parser)]
#[command(bin_name = "cargo run --")]
struct Arguments {
    /// The port the product answers on; 0 lets the system choose
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Keep nothing: start empty and forget everything
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// The folder data is kept in
    #[arg(long, default_value = ".local")]
    data: PathBuf,
    /// The flow of VK's that accounts are connected under
    #[arg(long, value_parser = ["classic", "vk_id"], default_value = "classic")]
    vk_flow: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    log();
    exit_code(run(Arguments::parse()).await)
}

/// Readable lines rather than the functions' JSON. The embedded DynamoDB warns of every condition
/// that fails, which is what conditions are for; metrics are for CloudWatch.
fn log() {
    let levels = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("dynoxide", LevelFilter::ERROR)
        .with_target(METRICS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().compact().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(levels).init();
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything is said, so that whoever waits for it can stop us at once.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let folder = (!arguments.memory).then_some(arguments.data);
    let clock = Clock::system();
    let options = Options {
        port: arguments.port,
        folder: folder.clone(),
        clock: clock.clone(),
        entropy: Entropy::system(),
        parameters: HashMap::from([
            ("VkFlow".to_owned(), arguments.vk_flow),
            ("SupportUrl".to_owned(), "mailto:support@evosync.example".to_owned()),
        ]),
    };
    let mut stack = Stack::start(options).await?;
    stack.keep_schedule()?;
    greet(&stack, folder);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = clock.sleep(Duration::from_mins(1)) => stack.aws().expire_rows(),
        }
    }
    say("stopped");
    Ok(())
}

fn greet(stack: &Stack, folder: Option<PathBuf>) {
    let kept = folder.map_or("in memory, until this stops".to_owned(), |folder| folder.display().to_string());
    say("");
    say("EvoSync connections, with everything they talk to, on this machine");
    say("");
    say(&format!("  product           {}/connections", stack.base_url()));
    say(&format!(
        "  simulated Evotor  {}/control   (uninstall, forbid, break, sweep now)",
        stack.evotor().url()
    ));
    say(&format!("  simulated VK      {}/control   (revoke, ban, break, sweep now)", stack.vk().url()));
    say(&format!("  sign-in           {}   (no passwords: choose a person)", stack.issuer().url()));
    say(&format!(
        "  AWS endpoint      {}   (AWS_ENDPOINT_URL; DynamoDB, Secrets Manager, Lambda)",
        stack.aws().url()
    ));
    say(&format!("  demo people       {}", PEOPLE.map(|(_, name)| name).join("; ")));
    say(&format!("  data              {kept}"));
    say("  stop              Ctrl-C");
    say("");
    say(&format!("ready {}", stack.base_url()));
}
