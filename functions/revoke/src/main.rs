//! Boots the revoke function.

use evosync_connections::config::Env;
use evosync_connections::platform::Platform;
use evosync_connections::providers::Registered;
use evosync_connections::telemetry;
use lambda_runtime::{LambdaEvent, service_fn};
use revoke::Function;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env = Env::of_process();
    telemetry::init(&env);
    let booted = Function::boot(&env, &Platform::of_lambda(), &Registered).await;
    let function = &booted.inspect_err(telemetry::cannot_boot)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, lambda_runtime::Error>(function.handle(&event.payload).await)
    }))
    .await
}
