//! The two DynamoDB tables, a store per function.
//!
//! Each function is given the store that can do what it needs and nothing else, and its IAM policy
//! names the same: [`PageStore`] for the pages, [`ConnectStore`], [`CallbackStore`],
//! [`DisconnectStore`], [`SignInStore`] for login, [`SweepStore`](sweep::SweepStore) with
//! [`RenewalStore`], and [`ChangeStore`] for events; revoke reads [`RemovedTokens`] of the stream and has
//! none. Whatever must hold together is one transaction, and a request is one round trip wherever that
//! is possible.

mod attributes;
mod batch_read;
mod batch_write;
mod callback;
mod changes;
mod connect;
mod disconnect;
mod page;
mod rate_limit;
mod removals;
mod renewal;
mod rows;
mod sign_in;
pub mod sweep;
mod tombstone;
mod transaction;

pub use callback::{CallbackStore, Earlier, NewConnection, Saved, Seen, Spend};
pub use changes::{ChangeStore, Unreadable};
pub use connect::{Begin, ConnectStore};
pub use disconnect::{DisconnectStore, Removed};
pub use page::{PageStore, SignedIn};
pub use removals::RemovedTokens;
pub use renewal::{Counter, NewTokens, RenewalStore};
pub use sign_in::{NewSession, PendingSignIn, SignInEnd, SignInFailure, SignInStore, SpentSignIn};

use std::time::Duration;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

use crate::error_chain::Cause;
use crate::retry::{Policy, Retry, Try};

/// The store could not answer. Says which operation failed and with which of DynamoDB's error
/// codes, never what was in the call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{operation}")]
pub struct StoreError {
    operation: &'static str,
    #[source]
    cause: Cause,
}

impl StoreError {
    /// An error of an operation, with its cause.
    pub fn new(operation: &'static str, cause: impl Into<String>) -> Self {
        Self { operation, cause: Cause::new(cause) }
    }

    fn of_sdk<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        Self { operation, cause: Cause::of_aws(error) }
    }
}

impl From<BuildError> for StoreError {
    fn from(_: BuildError) -> Self {
        Self::new("request", "incomplete")
    }
}

/// Whether a write was refused by its condition.
fn is_refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

/// How writes are retried that race with another one for the same row.
const RACE_POLICY: Policy = Policy { tries: 4, first_pause: Duration::from_millis(20) };

/// Writes a single row, with retries while a transaction holds it: the SDK does not retry
/// `TransactionConflictException`.
async fn write_row<T, E, R, F>(retry: &Retry, write: impl Fn() -> F) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    let attempt = || async {
        match write().await {
            Err(error) if error.code() == Some("TransactionConflictException") => Try::Transient(Err(error)),
            outcome => Try::Settled(outcome),
        }
    };
    retry.run(attempt).await
}
