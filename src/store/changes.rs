//! The connections' stream: what each of its records says happened, without the sealed tokens
//! ("Change data capture for DynamoDB Streams" in its developer guide).

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::Value;

use super::StoreError;
use super::attributes::session as a;
use super::attributes::{account_id, connection as c};
use super::rows::{self, Item};
use super::tombstone;
use crate::config::{ConfigError, Env};
use crate::domain::{Actor, Change, Changed, RowState};
use crate::platform::Platform;

/// A record that cannot be read: its keys or its sequence number are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the record has no {0}")]
pub struct Unreadable(pub(super) &'static str);

/// Reads who disconnected an account: what was removed from the table cannot say so itself.
pub struct ChangeStore {
    client: Client,
    sessions_table: String,
}

impl ChangeStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(&platform.aws), sessions_table: env.sessions_table()? })
    }

    /// What a record of the stream says happened; `None` where it is nothing.
    pub fn read(record: &Value) -> Result<Option<Changed>, Unreadable> {
        let stream = &record["dynamodb"];
        let (before, after) = (image(&stream["OldImage"]), image(&stream["NewImage"]));
        let [user, provider] = keys(stream)?;
        let states = (before.as_ref().map(state), after.as_ref().map(state));
        let Some(change) = Change::between(states.0.as_ref(), states.1.as_ref()) else { return Ok(None) };
        let row = after.or(before).unwrap_or_default();
        let text = |name: &str| rows::text(&row, name).map(str::to_owned);
        let is_removed = change == Change::Disconnected;
        Ok(Some(Changed {
            version: Changed::VERSION,
            id: record["eventID"].as_str().ok_or(Unreadable("id"))?.to_owned(),
            sequence: stream["SequenceNumber"].as_str().ok_or(Unreadable("sequence"))?.to_owned(),
            at: time(stream)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            change,
            user,
            account_id: text(&account_id(&provider)),
            provider,
            connected_at: text(c::CONNECTED_AT),
            generation: text(c::GENERATION),
            reason: text(c::OFFLINE_REASON).filter(|_| change == Change::Broken),
            // A removed row names who changed it before.
            by: text(c::CHANGED_BY).filter(|_| !is_removed).and_then(|by| by.parse().ok()),
            correlation_id: text(c::CHANGED_IN).filter(|_| !is_removed),
        }))
    }

    /// Completes a disconnection with who did it: the person, where a tombstone says so, or else an
    /// operator who deleted the row. Whoever removes a row cannot sign it.
    pub async fn with_actor(&self, changed: Changed) -> Result<Changed, StoreError> {
        if changed.change != Change::Disconnected {
            return Ok(changed);
        }
        let get = self
            .client
            .get_item()
            .table_name(&self.sessions_table)
            .set_key(Some(tombstone::key(&changed.user, &changed.provider)))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read tombstone", &error))?;
        let tombstone = answer.item.unwrap_or_default();
        // An older tombstone is of an earlier connection. RFC 3339 in UTC sorts as text.
        let is_persons = rows::text(&tombstone, a::GONE_AT) >= changed.connected_at.as_deref()
            && tombstone.contains_key(a::GONE);
        Ok(if is_persons {
            let correlation_id = rows::text(&tombstone, a::CHANGED_IN).map(str::to_owned);
            Changed { by: Some(Actor::Person), correlation_id, ..changed }
        } else {
            Changed { by: Some(Actor::Operator), ..changed }
        })
    }
}

/// The keys of a record's row: the user and the provider.
pub(super) fn keys(stream: &Value) -> Result<[String; 2], Unreadable> {
    let key = |name, what| stream["Keys"][name]["S"].as_str().map(str::to_owned).ok_or(Unreadable(what));
    Ok([key(c::USER_ID, "user")?, key(c::PROVIDER, "provider")?])
}

/// The texts and truth values of an image. Sealed tokens are bytes, and stay behind.
pub(super) fn image(image: &Value) -> Option<Item> {
    let attributes = image.as_object()?.iter().filter_map(|(name, value)| {
        let text = value["S"].as_str().map(|text| AttributeValue::S(text.to_owned()));
        let value = text.or_else(|| value["BOOL"].as_bool().map(AttributeValue::Bool))?;
        Some((name.clone(), value))
    });
    Some(attributes.collect())
}

fn state(row: &Item) -> RowState<'_> {
    RowState {
        generation: rows::text(row, c::GENERATION),
        is_online: row.get(c::IS_ONLINE).and_then(|value| value.as_bool().ok()).copied(),
    }
}

/// When a record's row was written: epoch seconds, whole or not.
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and so late is no time")]
pub(super) fn time(stream: &Value) -> Result<Timestamp, Unreadable> {
    let seconds = stream["ApproximateCreationDateTime"].as_f64().ok_or(Unreadable("time"))?;
    Timestamp::from_second(seconds as i64).map_err(|_| Unreadable("time"))
}
