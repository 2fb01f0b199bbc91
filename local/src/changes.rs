//! The event source mappings between the connections' stream and the functions that read it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evosync_connections::platform::{Clock, Entropy};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::aws::ChangeStream;
use crate::functions::{Function, InvokeError};

/// As many records as the template's mapping hands over at once.
const BATCH: usize = 500;

/// Delivers the stream's records, each until it is finished with.
#[derive(Clone)]
pub struct ChangeFeed(Arc<Feed>);

struct Feed {
    stream: ChangeStream,
    function: Function,
    /// The only kind of record that the mapping's filter lets through, where it has one.
    only: Option<&'static str>,
    clock: Clock,
    entropy: Entropy,
    /// The sequence number of the last record that is finished with.
    position: Mutex<Option<String>>,
    file: Option<PathBuf>,
}

impl ChangeFeed {
    /// A feed that goes on where its file says, or at the stream's beginning.
    pub(crate) fn new(
        stream: ChangeStream,
        function: Function,
        only: Option<&'static str>,
        file: Option<PathBuf>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        let position = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        Self(Arc::new(Feed { stream, function, only, clock, entropy, position: Mutex::new(position), file }))
    }

    /// Delivers what there is, and answers how many records were finished with. Stops at a record that
    /// is not.
    pub async fn deliver(&self) -> Result<usize, InvokeError> {
        let mut position = self.0.position.lock().await;
        let mut delivered = 0;
        loop {
            let records = self.0.stream.records(position.as_deref(), BATCH).map_err(InvokeError::Failed)?;
            if records.is_empty() {
                return Ok(delivered);
            }
            let failed = self.0.hand_over(&records).await?;
            let is_failed = |record: &Value| failed.as_deref() == Some(sequence(record));
            let done = records.iter().position(is_failed).unwrap_or(records.len());
            delivered += done;
            if let Some(last) = done.checked_sub(1).and_then(|last| records.get(last)) {
                *position = Some(sequence(last).to_owned());
                self.keep(sequence(last));
            }
            if failed.is_some() || records.len() < BATCH {
                return Ok(delivered);
            }
        }
    }

    /// Delivers every second until aborted.
    pub(crate) fn keep_delivering(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                if let Err(error) = self.deliver().await {
                    tracing::error!(%error, "changes not delivered");
                }
                self.0.clock.sleep(Duration::from_secs(1)).await;
            }
        })
    }

    fn keep(&self, position: &str) {
        if let Some(file) = &self.0.file
            && let Err(error) = crate::net::write_private(file, position)
        {
            tracing::error!(%error, "the stream's position is not kept");
        }
    }
}

impl Feed {
    /// Invokes the function with what the filter lets through; the sequence number of the first record that
    /// is not finished with.
    async fn hand_over(&self, records: &[Value]) -> Result<Option<String>, InvokeError> {
        let is_wanted = |record: &&Value| self.only.is_none_or(|only| record["eventName"] == only);
        let wanted: Vec<_> = records.iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let request_id = format!("{:016x}", u64::from_be_bytes(self.entropy.bytes()));
        let answer = self.function.invoke(&request_id, &json!({ "Records": wanted })).await?;
        Ok(answer["batchItemFailures"][0]["itemIdentifier"].as_str().map(str::to_owned))
    }
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}
