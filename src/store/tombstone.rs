//! Tombstones: what a disconnection leaves behind, namely that it happened. A callback that began before it must not save
//! its connection after it, and a restored table must not bring the connection back.
//!
//! Tombstones live in `SESSIONS_TABLE`, where neither pages nor the sweep meet them.

use aws_sdk_dynamodb::types::{ConditionCheck, Put};
use jiff::{SignedDuration, Timestamp};

use super::StoreError;
use super::attributes::session::{CHANGED_IN, EXPIRES_AT, GONE, GONE_AT, PROVIDER, USER_ID};
use super::rows::{self, Item, id_key, rfc3339, s, seconds};
use crate::domain::{Provider, UserId};

/// Longer than a table can be restored from, which is 35 days ("Point-in-time recovery for DynamoDB").
const KEEP_FOR: SignedDuration = SignedDuration::from_hours(40 * 24);

/// The id of one disconnection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Gone(String);

impl Gone {
    pub(super) fn new(random: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(random)))
    }

    /// The last disconnection, from its row.
    pub(super) fn of(row: &Item) -> Option<Self> {
        rows::text(row, GONE).map(|id| Self(id.to_owned()))
    }
}

pub(super) fn key(user: &str, provider: &str) -> Item {
    id_key(format!("gone:{user}:{provider}"))
}

/// The write that leaves a tombstone, in place of an earlier one.
pub(super) fn put(
    table: &str,
    user: &UserId,
    provider: Provider,
    gone: &Gone,
    correlation_id: &str,
    now: Timestamp,
) -> Result<Put, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(key(user.as_str(), provider.key())))
        .item(GONE, s(&gone.0))
        .item(GONE_AT, rfc3339(now))
        .item(CHANGED_IN, s(correlation_id))
        .item(USER_ID, s(user.as_str()))
        .item(PROVIDER, s(provider.key()))
        .item(EXPIRES_AT, seconds(now + KEEP_FOR));
    Ok(put.build()?)
}

/// The condition that nobody has disconnected since the tombstone was `seen`. It may have left by its
/// time to live.
pub(super) fn unchanged(
    table: &str,
    user: &UserId,
    provider: Provider,
    seen: Option<&Gone>,
) -> Result<ConditionCheck, StoreError> {
    let check = ConditionCheck::builder().table_name(table).set_key(Some(key(user.as_str(), provider.key())));
    let absent = format!("attribute_not_exists({GONE})");
    let check = match seen {
        None => check.condition_expression(absent),
        Some(seen) => check
            .condition_expression(format!("{absent} OR {GONE} = :seen"))
            .expression_attribute_values(":seen", s(&seen.0)),
    };
    Ok(check.build()?)
}
