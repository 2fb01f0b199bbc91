//! A person's actions counted by the calendar minute.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use jiff::Timestamp;

use super::StoreError;
use super::rows::{id_key, n};
use crate::domain::UserId;

/// The item of a transaction that counts one action and refuses the one after `most`. Each minute
/// has a row of its own, which the table's TTL removes.
pub(super) fn count(
    table: &str,
    action: &str,
    user: &UserId,
    now: Timestamp,
    most: i64,
) -> Result<TransactWriteItem, StoreError> {
    let minute = now.as_second() / 60;
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(id_key(format!("rate:{action}:{minute}:{user}"))))
        .update_expression("ADD actions :one SET expires_at = :over")
        .condition_expression("attribute_not_exists(actions) OR actions < :most")
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":over", n((minute + 2) * 60))
        .expression_attribute_values(":most", n(most));
    Ok(TransactWriteItem::builder().update(update.build()?).build())
}
