//! Transactions: what was cancelled, and why.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use super::StoreError;
use super::retry::{Retry, Try};
use super::rows::{self, Item};
use crate::platform::Platform;

/// Runs transactions.
#[derive(Clone)]
pub(super) struct Transactions {
    client: Client,
    retry: Retry,
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
    pub(super) fn new(platform: &Platform) -> Self {
        Self { client: Client::new(&platform.aws), retry: Retry::new(platform) }
    }

    /// Writes all items or none. Two tabs of one browser meet on the session's row, so a conflict
    /// is retried.
    pub(super) async fn write(
        &self,
        operation: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Outcome, StoreError> {
        self.retry.run(|| self.try_once(operation, &items)).await
    }

    /// Opens the connection to the table by writing an item that refuses to be written, with an
    /// operation the function has the permission for anyway.
    pub(super) async fn warm_up(&self, item: TransactWriteItem) -> Result<(), StoreError> {
        self.write("warm up", vec![item]).await.map(drop)
    }

    async fn try_once(
        &self,
        operation: &'static str,
        items: &[TransactWriteItem],
    ) -> Try<Result<Outcome, StoreError>> {
        let call = self.client.transact_write_items().set_transact_items(Some(items.to_vec()));
        let Err(error) = call.send().await else { return Try::Settled(Ok(Outcome::Done)) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Try::Settled(Err(StoreError::of_sdk(operation, &error)));
        };
        let reasons = cancelled.cancellation_reasons();
        let failed = failed_conditions(reasons);
        if !failed.is_empty() {
            return Try::Settled(Ok(Outcome::Refused(failed)));
        }
        let codes = reasons.iter().filter_map(CancellationReason::code).collect::<Vec<_>>().join(" ");
        let error = Err(StoreError::new(operation, codes));
        if reasons.iter().any(is_passing) { Try::Passing(error) } else { Try::Settled(error) }
    }
}

/// The key of a row that is never written.
pub(super) fn never_there() -> Item {
    rows::id_key(rows::NOBODY.to_owned())
}

/// A condition that holds for no such row.
pub(super) const NEVER: &str = "attribute_exists(id)";

fn failed_conditions(reasons: &[CancellationReason]) -> Vec<Failed> {
    let failed = reasons.iter().enumerate();
    failed
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(position, reason)| Failed { position, row: reason.item.clone() })
        .collect()
}

fn is_passing(reason: &CancellationReason) -> bool {
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    reason.code().is_some_and(|code| passing.contains(&code))
}
