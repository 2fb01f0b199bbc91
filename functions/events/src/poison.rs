//! Poison records: changes that cannot be announced. They go to a dead-letter queue, so that they do not
//! block the records behind them.

use aws_sdk_sqs::Client;
use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::Changed;
use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::platform::Platform;
use serde_json::{Value, json};

/// The dead-letter queue of changes that could not be announced (`FAILED_EVENTS_URL`).
pub(crate) struct PoisonQueue {
    client: Client,
    url: String,
}

impl PoisonQueue {
    pub(crate) fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(&platform.aws), url: env.required("FAILED_EVENTS_URL")? })
    }

    /// Puts an unreadable record aside: its keys and numbers, never its images, which hold tokens. Returns
    /// whether the queue has it.
    pub(crate) async fn put_record(&self, record: &Value, problem: &str) -> bool {
        let (keys, stream) = (&record["dynamodb"]["Keys"], &record["dynamodb"]);
        let body = json!({
            "problem": problem,
            "id": record["eventID"],
            "event": record["eventName"],
            "sequence": stream["SequenceNumber"],
            "at": stream["ApproximateCreationDateTime"],
            "user": keys["user_id"]["S"],
            "provider": keys["provider"]["S"],
        });
        self.send(&body, problem).await
    }

    /// Puts an event aside that the bus rejects, in the form in which it can be sent later. Returns whether
    /// the queue has it.
    pub(crate) async fn put_event(&self, changed: &Changed, problem: &str) -> bool {
        let body = json!({ "problem": problem, "event": changed.change.detail_type(), "detail": changed });
        self.send(&body, problem).await
    }

    async fn send(&self, body: &Value, problem: &str) -> bool {
        tracing::error!(problem, id = body["id"].as_str(), "change put aside");
        let message = self.client.send_message().queue_url(&self.url).message_body(body.to_string());
        let sent = message.send().await;
        if let Err(error) = &sent {
            tracing::error!(error = chain(&Cause::of_aws(error)), "cannot put the change aside");
        }
        sent.is_ok()
    }
}
