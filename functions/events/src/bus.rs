//! Sends events to an EventBridge bus.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use evosync_connections::domain::Changed;
use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::platform::Platform;

/// The most entries of one call (`PutEvents` in the EventBridge API reference).
pub(crate) const MOST_AT_ONCE: usize = 10;

/// The `source` of every event.
const SOURCE: &str = "evosync.connections";

/// The event bus that EvoSync subscribes to.
pub(crate) struct Bus {
    client: Client,
    name: String,
}

/// The outcome of sending one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The bus has it.
    Accepted,
    /// The bus rejects it with this error code; a retry would not help.
    Refused(String),
    /// A transient fault; retry.
    Later,
}

impl Bus {
    /// `name` is the bus's name or ARN.
    pub(crate) fn new(platform: &Platform, name: String) -> Self {
        Self { client: Client::new(&platform.aws), name }
    }

    /// Sends at most [`MOST_AT_ONCE`] events; the outcomes are in the order of the changes.
    pub(crate) async fn send(&self, changes: &[Changed]) -> Vec<Sent> {
        let entries = changes.iter().map(|changed| self.entry(changed)).collect();
        match self.client.put_events().set_entries(Some(entries)).send().await {
            Ok(answer) => {
                let answers = answer.entries.unwrap_or_default();
                let sent = answers.into_iter().map(|entry| sent(entry.error_code()));
                // An event without an answer may not have been sent.
                sent.chain(std::iter::repeat(Sent::Later)).take(changes.len()).collect()
            }
            Err(error) => {
                tracing::error!(error = chain(&Cause::of_aws(&error)), "cannot send the events");
                vec![Sent::Later; changes.len()]
            }
        }
    }

    fn entry(&self, changed: &Changed) -> PutEventsRequestEntry {
        let detail = serde_json::to_string(changed).unwrap_or_default();
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(changed.change.detail_type())
            .detail(detail);
        entry.build()
    }
}

fn sent(error_code: Option<&str>) -> Sent {
    match error_code {
        None => Sent::Accepted,
        Some("ThrottlingException" | "InternalFailure" | "InternalException" | "ServiceUnavailable") => {
            Sent::Later
        }
        Some(code) => Sent::Refused(code.to_owned()),
    }
}
