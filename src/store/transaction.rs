//! Transactions: what was cancelled and why, and the retry that a conflict is owed.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, TransactWriteItem};

use super::StoreError;
use super::rows::{self, Item};
use crate::platform::{Clock, Entropy};

/// How often a transaction that met another one on the same row is tried.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Runs transactions.
#[derive(Clone)]
pub(super) struct Transactions {
    client: Client,
    clock: Clock,
    entropy: Entropy,
}

/// What became of a transaction.
pub(super) enum Outcome {
    /// All of it happened.
    Done,
    /// None of it happened: the conditions that failed, by the item's position, with the row they
    /// failed on where one was there and asked for.
    Refused(Vec<Failed>),
}

pub(super) struct Failed {
    pub(super) position: usize,
    pub(super) row: Option<Item>,
}

impl Transactions {
    pub(super) fn new(client: Client, clock: Clock, entropy: Entropy) -> Self {
        Self { client, clock, entropy }
    }

    /// Writes all items or none. Two tabs of one browser meet on the session's row, so a conflict
    /// is retried a few times with growing, jittered pauses.
    pub(super) async fn write(
        &self,
        operation: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Outcome, StoreError> {
        for attempt in 1.. {
            let call = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = call.send().await else {
                return Ok(Outcome::Done);
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(StoreError::of_sdk(operation, &error));
            };
            let reasons = cancelled.cancellation_reasons();
            let failed = failed_conditions(reasons);
            if !failed.is_empty() {
                return Ok(Outcome::Refused(failed));
            }
            if attempt == TRIES || !reasons.iter().any(is_conflict) {
                let codes = reasons.iter().filter_map(CancellationReason::code).collect::<Vec<_>>();
                return Err(StoreError::new(operation, codes.join(" ")));
            }
            self.clock.sleep(self.pause(attempt)).await;
        }
        Err(StoreError::new(operation, "conflicts"))
    }

    /// Opens the connection to the table by a check that can only fail: it needs no permission that
    /// a transaction does not need anyway.
    pub(super) async fn warm_up(&self, table: &str) -> Result<(), StoreError> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(rows::id_key("warm-up".to_owned())))
            .condition_expression("attribute_exists(id)")
            .build()?;
        let items = vec![TransactWriteItem::builder().condition_check(check).build()];
        self.write("warm up", items).await.map(drop)
    }

    fn pause(&self, attempt: u32) -> Duration {
        let [jitter] = self.entropy.bytes();
        FIRST_PAUSE * 2_u32.pow(attempt - 1) * u32::from(jitter) / 255
    }
}

fn failed_conditions(reasons: &[CancellationReason]) -> Vec<Failed> {
    let failed = reasons.iter().enumerate();
    failed
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(position, reason)| Failed { position, row: reason.item.clone() })
        .collect()
}

fn is_conflict(reason: &CancellationReason) -> bool {
    reason.code() == Some("TransactionConflict")
}
