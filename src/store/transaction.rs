//! Transactions: all of their parts are written, or none, and then it is known which part refused.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::attributes::session::ID;
use super::rows::{self, Item};
use super::{RACE_POLICY, StoreError};
use crate::platform::Platform;
use crate::retry::{Retry, Try};

/// Runs transactions.
#[derive(Clone)]
pub(super) struct Transactions {
    client: Client,
    retry: Retry,
}

/// What became of a transaction whose parts are named by `P`.
pub(super) enum Outcome<P> {
    /// All of it happened.
    Done,
    /// None of it happened: the parts whose conditions failed.
    Refused(Vec<Refused<P>>),
}

/// A part whose condition failed.
pub(super) struct Refused<P> {
    pub(super) part: P,
    /// The row it failed on, where one was there and asked for.
    pub(super) row: Option<Item>,
}

/// A named part of a transaction.
pub(super) struct Part<P> {
    name: P,
    item: TransactWriteItem,
}

impl<P> Part<P> {
    pub(super) fn put(name: P, put: Put) -> Self {
        Self { name, item: TransactWriteItem::builder().put(put).build() }
    }

    pub(super) fn update(name: P, update: Update) -> Self {
        Self { name, item: TransactWriteItem::builder().update(update).build() }
    }

    pub(super) fn delete(name: P, delete: Delete) -> Self {
        Self { name, item: TransactWriteItem::builder().delete(delete).build() }
    }

    pub(super) fn condition_check(name: P, check: ConditionCheck) -> Self {
        Self { name, item: TransactWriteItem::builder().condition_check(check).build() }
    }
}

impl<P: Copy> Outcome<P> {
    fn of(reasons: &[CancellationReason], names: &[P]) -> Self {
        // DynamoDB gives a reason for each item, in the order of the request.
        let refused = names.iter().zip(reasons).filter(|(_, reason)| has_code(reason, CONDITION_FAILED));
        Self::Refused(
            refused.map(|(name, reason)| Refused { part: *name, row: reason.item.clone() }).collect(),
        )
    }
}

impl Transactions {
    pub(super) fn new(platform: &Platform, client: Client) -> Self {
        Self { client, retry: Retry::new(platform, RACE_POLICY) }
    }

    /// Writes all parts or none. Two tabs of one browser race for the session's row, so a conflict is
    /// retried.
    pub(super) async fn write<P: Copy>(
        &self,
        operation: &'static str,
        parts: Vec<Part<P>>,
    ) -> Result<Outcome<P>, StoreError> {
        let (names, items): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.name, part.item)).unzip();
        self.retry.run(|| self.try_once(operation, &names, &items)).await
    }

    /// Opens the connection to the table by writing an item that refuses to be written, with an
    /// operation the function has the permission for anyway.
    pub(super) async fn warm_up(&self, part: Part<()>) -> Result<(), StoreError> {
        self.write("warm up", vec![part]).await.map(drop)
    }

    async fn try_once<P: Copy>(
        &self,
        operation: &'static str,
        names: &[P],
        items: &[TransactWriteItem],
    ) -> Try<Result<Outcome<P>, StoreError>> {
        let call = self.client.transact_write_items().set_transact_items(Some(items.to_vec()));
        let Err(error) = call.send().await else { return Try::Settled(Ok(Outcome::Done)) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Try::Settled(Err(StoreError::of_sdk(operation, &error)));
        };
        let reasons = cancelled.cancellation_reasons();
        // A failed condition is an answer, whatever else went wrong beside it: repeating would not
        // change it.
        if reasons.iter().any(|reason| has_code(reason, CONDITION_FAILED)) {
            return Try::Settled(Ok(Outcome::of(reasons, names)));
        }
        let codes = reasons.iter().filter_map(CancellationReason::code).collect::<Vec<_>>().join(" ");
        let error = Err(StoreError::new(operation, codes));
        if reasons.iter().any(is_transient) { Try::Transient(error) } else { Try::Settled(error) }
    }
}

/// The key of a row that is never written.
pub(super) fn never_there() -> Item {
    rows::id_key(rows::NOBODY.to_owned())
}

/// A condition that holds for no such row.
pub(super) fn never() -> String {
    format!("attribute_exists({ID})")
}

const CONDITION_FAILED: &str = "ConditionalCheckFailed";

fn has_code(reason: &CancellationReason, code: &str) -> bool {
    reason.code() == Some(code)
}

fn is_transient(reason: &CancellationReason) -> bool {
    let transient = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    transient.iter().any(|code| has_code(reason, code))
}
