//! What surrounds a product that runs elsewhere, under `cargo lambda watch` or deployed to an emulated AWS:
//! the simulated Evotor and VK, the simulated issuer, and an AWS endpoint with the template's tables and the secrets.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use evosync_connections::platform::{Clock, Entropy};
use local::aws::Aws;
use local::console::{exit_code, say};
use local::evotor::{self, Evotor};
use local::issuer::{self, Issuer};
use local::vk::{self, Vk};
use local::{cloudformation, random_secret};
use serde_json::json;
use tokio::net::TcpListener;

/// A simulated Evotor and VK, a simulated OpenID Connect issuer, and DynamoDB, Secrets Manager and SQS in memory.
#[derive(Parser)]
struct Arguments {
    /// The product's address, as merchants type it
    #[arg(long)]
    product: String,
    /// Evotor's port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    evotor_port: u16,
    /// VK's port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    vk_port: u16,
    /// The issuer's port; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    issuer_port: u16,
    /// The id of the application at Evotor
    #[arg(long, default_value = "evosync")]
    evotor_client_id: String,
    /// The client secret of the application at Evotor
    #[arg(long)]
    evotor_client_secret: String,
    /// The id of the application at VK
    #[arg(long, default_value = "7000001")]
    vk_client_id: String,
    /// The client secret of the application at VK
    #[arg(long)]
    vk_client_secret: String,
    /// The service token of the application at VK
    #[arg(long, default_value = "vk-service-token-of-the-simulators")]
    vk_service_token: String,
    /// The id of the client at the issuer
    #[arg(long, default_value = "evosync")]
    oidc_client_id: String,
    /// The client secret at the issuer
    #[arg(long)]
    oidc_client_secret: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let product = arguments.product.trim_end_matches('/');
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let aws = Aws::start(None, &cloudformation::tables()?, clock.clone()).await?;
    aws.put_secret("token-keys", &json!({ "current": "1", "1": random_secret(&entropy) }).to_string());
    aws.put_secret(
        "evotor-client-secret",
        &json!({ "EVOTOR_CLIENT_SECRET": arguments.evotor_client_secret }).to_string(),
    );
    aws.put_secret(
        "vk-client-secret",
        &json!({ "VK_CLIENT_SECRET": arguments.vk_client_secret }).to_string(),
    );
    aws.put_secret(
        "vk-service-token",
        &json!({ "VK_SERVICE_TOKEN": arguments.vk_service_token }).to_string(),
    );
    aws.put_secret("oidc-client-secret", &arguments.oidc_client_secret);
    let app = evotor::App {
        client_id: arguments.evotor_client_id,
        client_secret: arguments.evotor_client_secret,
        redirect_uri: format!("{product}/evotor/callback"),
    };
    let listener = TcpListener::bind(("127.0.0.1", arguments.evotor_port)).await?;
    let evotor = Evotor::start(listener, app, None, clock.clone(), entropy.clone())?;
    let app = vk::App {
        client_id: arguments.vk_client_id,
        client_secret: arguments.vk_client_secret,
        service_token: arguments.vk_service_token,
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
    say(&format!("aws {}", aws.url()));
    say(&format!("evotor {}", evotor.url()));
    say(&format!("vk {}", vk.url()));
    say(&format!("issuer {}", issuer.url()));
    say("ready");
    Ok(tokio::signal::ctrl_c().await?)
}
