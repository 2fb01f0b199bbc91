//! EventBridge Scheduler: the sweep, every so often.

use std::time::Duration;

use evosync_connections::platform::{Clock, Entropy};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::functions::{Function, InvokeError};

/// Invokes the sweep.
#[derive(Clone)]
pub struct Sweeper {
    function: Function,
    clock: Clock,
    entropy: Entropy,
}

impl Sweeper {
    /// A sweeper of a booted function.
    pub fn new(function: Function, clock: Clock, entropy: Entropy) -> Self {
        Self { function, clock, entropy }
    }

    /// Sweeps once, as an operator does: every connection is due. Returns the summary.
    pub async fn sweep(&self) -> Result<Value, InvokeError> {
        self.function.invoke(&self.request_id(), &json!({})).await
    }

    /// Does what the schedule does each time.
    pub async fn tick(&self) -> Result<Value, InvokeError> {
        let request_id = self.request_id();
        self.function.invoke(&request_id, &event(&request_id, self.clock.now())).await
    }

    fn request_id(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.entropy.bytes()))
    }

    /// Sweeps on schedule until aborted.
    pub fn every(self, period: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                self.clock.sleep(period).await;
                if let Err(error) = self.tick().await {
                    tracing::error!(%error, "scheduled sweep failed");
                }
            }
        })
    }
}

/// What Scheduler sends to a function without an input of its own.
fn event(id: &str, now: Timestamp) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": now.to_string(),
        "region": "local",
        "resources": ["arn:aws:scheduler:local:000000000000:schedule/default/sweep"],
        "detail": "{}",
    })
}
