//! Boots the connect function.

use connect::Function;
use evosync_connections::config::Env;
use evosync_connections::platform::Platform;
use evosync_connections::{telemetry, web};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let env = Env::of_process();
    telemetry::init(&env);
    let booted = Function::boot(&env, &Platform::of_lambda().await).await;
    web::run(booted.inspect_err(telemetry::cannot_boot)?).await
}
