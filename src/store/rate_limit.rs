//! The rate limit on what a person does: actions counted by the calendar minute.

use aws_sdk_dynamodb::types::Update;
use jiff::Timestamp;

use super::StoreError;
use super::attributes::session::{ACTIONS, EXPIRES_AT};
use super::rows::{id_key, n};
use crate::domain::UserId;

/// The part of a transaction that counts one action and refuses the one after `most`. Each minute has
/// a row of its own, which the table's TTL removes.
pub(super) fn count(
    table: &str,
    action: &str,
    user: &UserId,
    now: Timestamp,
    most: i64,
) -> Result<Update, StoreError> {
    let minute = now.as_second() / 60;
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(id_key(format!("rate:{action}:{minute}:{user}"))))
        .update_expression(format!("ADD {ACTIONS} :one SET {EXPIRES_AT} = :over"))
        .condition_expression(format!("attribute_not_exists({ACTIONS}) OR {ACTIONS} < :most"))
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":over", n((minute + 2) * 60))
        .expression_attribute_values(":most", n(most));
    Ok(update.build()?)
}
