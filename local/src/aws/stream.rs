//! The changes of a table, as DynamoDB Streams gives them.

use std::sync::OnceLock;

use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};

use super::tables::parsed;

/// The stream of one table, of one shard.
pub struct ChangeStream {
    database: Database,
    table: String,
    /// The shard, once it is known: asking for it reads the whole stream.
    shard: OnceLock<Shard>,
}

struct Shard {
    stream: String,
    id: String,
}

impl ChangeStream {
    pub(super) fn new(database: Database, table: &str) -> Self {
        Self { database, table: table.to_owned(), shard: OnceLock::new() }
    }

    /// At most `limit` records after the one of a sequence number, oldest first.
    ///
    /// # Errors
    /// When the table has no stream, in the database's words.
    pub fn records(&self, after: Option<&str>, limit: usize) -> Result<Vec<Value>, String> {
        self.read(after, limit).map_err(|error| error.to_string())
    }

    fn read(&self, after: Option<&str>, limit: usize) -> Result<Vec<Value>, DynoxideError> {
        let Some(shard) = self.shard()? else { return Ok(Vec::new()) };
        let iterator = self.database.get_shard_iterator(parsed(json!({
            "StreamArn": shard.stream,
            "ShardId": shard.id,
            "ShardIteratorType": if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" },
            "SequenceNumber": after,
        }))?)?;
        let asked = json!({ "ShardIterator": iterator.shard_iterator, "Limit": limit });
        let answer = self.database.get_records(parsed(asked)?)?;
        let records = serde_json::to_value(answer.records);
        let records = records.map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
        Ok(records.as_array().cloned().unwrap_or_default())
    }

    /// `None` for a stream without a shard.
    fn shard(&self) -> Result<Option<&Shard>, DynoxideError> {
        if let Some(shard) = self.shard.get() {
            return Ok(Some(shard));
        }
        let streams = self.database.list_streams(parsed(json!({ "TableName": self.table }))?)?;
        let Some(stream) = streams.streams.first() else {
            return Err(DynoxideError::ResourceNotFoundException(format!("{} has no stream", self.table)));
        };
        let described = self.database.describe_stream(parsed(json!({ "StreamArn": stream.stream_arn }))?)?;
        let shard = described.stream_description.shards.into_iter().next();
        let known = |shard_id| Shard { stream: stream.stream_arn.clone(), id: shard_id };
        Ok(shard.map(|shard| self.shard.get_or_init(|| known(shard.shard_id))))
    }
}
