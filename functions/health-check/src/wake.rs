//! What wakes the sweep: the schedule, an operator, or a message about a part of a run. Messages carry no
//! state: lost, repeated or late, they do no harm.

use aws_sdk_sqs::Client;
use evosync_connections::config::Env;
use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::platform::Platform;
use evosync_connections::store::sweep::Part;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why the function is invoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// The schedule's tick, or a message that names no part.
    Tick,
    /// An operator: every connection is due.
    Operator,
    /// A message about a part of a run.
    Part(PartMessage),
}

/// The body of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartMessage {
    /// The run's id.
    pub run: String,
    /// The segment; `None` for the closing.
    pub segment: Option<u32>,
}

impl PartMessage {
    /// A message about a part.
    pub fn new(run: &str, part: Part) -> Self {
        let segment = match part {
            Part::Segment(number) => Some(number),
            Part::Closing => None,
        };
        Self { run: run.to_owned(), segment }
    }

    /// The part.
    pub fn part(&self) -> Part {
        self.segment.map_or(Part::Closing, Part::Segment)
    }
}

impl Wake {
    /// Reads an event. The mapping of the queue hands over one message at a time.
    pub(crate) fn of(event: &Value) -> Self {
        if let Some(body) = event["Records"][0]["body"].as_str() {
            return serde_json::from_str(body).map_or(Self::Tick, Self::Part);
        }
        let is_scheduled = event["detail-type"] == "Scheduled Event" || event["source"] == "aws.scheduler";
        if is_scheduled { Self::Tick } else { Self::Operator }
    }
}

/// Wakes workers.
pub trait Queue: Send + Sync {
    /// Sends a message. One that is lost is made up for by the next tick.
    fn send(&self, message: PartMessage) -> BoxFuture<'_, ()>;
}

/// The queue of `SWEEP_QUEUE_URL`.
pub(crate) struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// `None` where no queue is configured.
    pub(crate) fn of(platform: &Platform, env: &Env) -> Option<Box<dyn Queue>> {
        let url = env.optional("SWEEP_QUEUE_URL")?;
        Some(Box::new(Self { client: Client::new(&platform.aws), url }))
    }
}

impl Queue for SqsQueue {
    fn send(&self, message: PartMessage) -> BoxFuture<'_, ()> {
        async move {
            let Ok(body) = serde_json::to_string(&message) else { return };
            let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
            if let Err(error) = sent {
                tracing::error!(error = chain(&Cause::of_aws(&error)), "cannot wake a worker");
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_says_who_wakes_the_sweep() {
        let message = |body: &str| json!({ "Records": [{ "body": body }] });
        let part = |segment| Wake::Part(PartMessage { run: "r".to_owned(), segment });
        for (event, wake) in [
            (json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event" }), Wake::Tick),
            (message(r#"{"run":"r","segment":3}"#), part(Some(3))),
            (message(r#"{"run":"r"}"#), part(None)),
            (message("{}"), Wake::Tick),
            (message("no JSON"), Wake::Tick),
            (json!({}), Wake::Operator),
            (Value::Null, Wake::Operator),
        ] {
            assert_eq!(Wake::of(&event), wake, "{event}");
        }
    }
}
