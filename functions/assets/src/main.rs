//! Boots the assets function.

use assets::Function;
use evosync_connections::config::Env;
use evosync_connections::{telemetry, web};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init(&Env::of_process());
    web::run(Function).await
}
