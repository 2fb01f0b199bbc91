//! Reads the stream of the connections table (transactional outbox). Each committed change becomes an
//! audit line, a metric and, if a bus is configured, an event. Delivery is at least once, in order for
//! each connection.

mod bus;
mod poison;
mod recent;

use std::panic::catch_unwind;

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::Changed;
use evosync_connections::error_chain::chain;
use evosync_connections::platform::Platform;
use evosync_connections::store::ChangeStore;
use evosync_connections::telemetry::record_change;
use serde_json::{Value, json};

use bus::{Bus, MOST_AT_ONCE, Sent};
use poison::PoisonQueue;
use recent::Recent;

/// The function. It has no token keys, so it cannot open the sealed tokens in the stream.
pub struct Function {
    store: ChangeStore,
    bus: Option<Bus>,
    poison: PoisonQueue,
    recent: Recent,
}

/// A record that cannot be processed now. Lambda delivers it and all later records again.
struct Unfinished<'a>(&'a Value);

impl Function {
    /// Reads the configuration. Without `EVENT_BUS` there are audit lines and metrics, and no events.
    pub fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            store: ChangeStore::new(platform, env)?,
            bus: env.optional("EVENT_BUS").map(|name| Bus::new(platform, name)),
            poison: PoisonQueue::new(platform, env)?,
            recent: Recent::default(),
        })
    }

    /// Announces a batch of the stream's records, and returns the record from which to deliver again
    /// ("Reporting batch item failures for Lambda functions with DynamoDB" in Lambda's developer
    /// guide). If the function is killed, the whole batch is delivered again.
    pub async fn handle(&self, event: &Value) -> Value {
        let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut failures = Vec::new();
        for records in records.chunks(MOST_AT_ONCE) {
            if let Err(Unfinished(record)) = self.announce(records).await {
                failures.push(json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }));
                break;
            }
        }
        json!({ "batchItemFailures": failures })
    }

    /// Announces the records' changes. Stops at the first record that cannot be processed; those before it
    /// are announced.
    async fn announce<'a>(&self, records: &'a [Value]) -> Result<(), Unfinished<'a>> {
        let mut read = Vec::new();
        let mut unfinished = Ok(());
        for record in records {
            match self.read(record).await {
                Ok(None) => {}
                Ok(Some(changed)) => read.push((record, changed)),
                Err(error) => {
                    unfinished = Err(error);
                    break;
                }
            }
        }
        self.send(read).await?;
        unfinished
    }

    /// The change in a record. `None` if nothing changed, it was announced already, or it was put aside.
    async fn read<'a>(&self, record: &'a Value) -> Result<Option<Changed>, Unfinished<'a>> {
        let read = catch_unwind(|| ChangeStore::read(record).map_err(|unreadable| unreadable.to_string()));
        let changed = match read.unwrap_or_else(|_| Err("reading the record panicked".to_owned())) {
            Ok(changed) => changed.filter(|changed| !self.recent.has(&changed.id)),
            Err(problem) if self.poison.put_record(record, &problem).await => None,
            Err(_) => return Err(Unfinished(record)),
        };
        let Some(changed) = changed else { return Ok(None) };
        self.store.with_actor(changed).await.map(Some).map_err(|error| {
            tracing::error!(error = chain(&error), "cannot read who disconnected");
            Unfinished(record)
        })
    }

    async fn send<'a>(&self, read: Vec<(&'a Value, Changed)>) -> Result<(), Unfinished<'a>> {
        let (records, changes): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let sent = match &self.bus {
            Some(bus) if !changes.is_empty() => bus.send(&changes).await,
            _ => vec![Sent::Accepted; changes.len()],
        };
        for ((record, changed), sent) in records.into_iter().zip(&changes).zip(sent) {
            let is_done = match sent {
                Sent::Accepted => true,
                Sent::Refused(code) => self.poison.put_event(changed, &code).await,
                Sent::Later => false,
            };
            if !is_done {
                return Err(Unfinished(record));
            }
            // Only after success: an earlier audit line would be repeated by the next delivery.
            record_change(changed);
            self.recent.add(&changed.id);
        }
        Ok(())
    }
}
