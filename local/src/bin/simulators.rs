//! The simulated VK and the simulated issuer only, to run beside a product that runs elsewhere:
//! under `cargo lambda watch`, or deployed to an emulated AWS.

use std::process::ExitCode;

use clap::Parser;
use evosync_connections::platform::{Clock, Entropy};
use local::issuer::{self, Issuer};
use local::vk::{self, Vk};
use tokio::net::TcpListener;

/// A simulated VK and a simulated OpenID Connect issuer.
#[derive(Parser)]
struct Arguments {
    /// The product's address, as merchants type it
    #[arg(long)]
    product: String,
    /// VK's port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    vk_port: u16,
    /// The issuer's port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    issuer_port: u16,
    /// The id of the application at VK
    #[arg(long, default_value = "7000001")]
    vk_client_id: String,
    /// The client secret of the application at VK
    #[arg(long)]
    vk_client_secret: String,
    /// The id of the client at the issuer
    #[arg(long, default_value = "evosync")]
    oidc_client_id: String,
    /// The client secret at the issuer
    #[arg(long)]
    oidc_client_secret: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let product = arguments.product.trim_end_matches('/');
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let app = vk::App {
        client_id: arguments.vk_client_id,
        client_secret: arguments.vk_client_secret,
        redirect_uri: format!("{product}/vk/callback"),
    };
    let client = issuer::Client {
        id: arguments.oidc_client_id,
        secret: arguments.oidc_client_secret,
        redirect_uri: format!("{product}/login/callback"),
    };
    let listener = TcpListener::bind(("127.0.0.1", arguments.vk_port)).await?;
    let vk = Vk::start(listener, app, None, clock.clone(), entropy.clone())?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.issuer_port)).await?;
    let issuer = Issuer::start(listener, client, clock, entropy)?;
    say(&format!("vk {}", vk.url()));
    say(&format!("issuer {}", issuer.url()));
    say("ready");
    tokio::signal::ctrl_c().await
}

#[expect(clippy::print_stdout, reason = "this is what the command says to its user")]
fn say(line: &str) {
    println!("{line}");
}
