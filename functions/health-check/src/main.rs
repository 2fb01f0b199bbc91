//! Boots the health-check function.

use evosync_connections::config::Env;
use evosync_connections::platform::Platform;
use evosync_connections::providers::Registered;
use evosync_connections::telemetry;
use health_check::Function;
use lambda_runtime::{LambdaEvent, service_fn};

/// One thread: a sweep waits more than it computes, and handing each answer from thread to thread costs more than it
/// brings where Lambda gives a function less than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = Env::of_process();
    telemetry::init(&env);
    let booted = Function::boot(&env, &Platform::of_lambda(), &Registered).await;
    let function = &booted.inspect_err(telemetry::cannot_boot)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| async move {
        function.handle(&event.payload, &event.context).await
    }))
    .await
}
