//! The two DynamoDB tables, a capability a file.
//!
//! A function is given the capabilities it uses and nothing else, and its IAM policy names the same
//! ones: [`View`] for the pages, [`Attempts`] for connect, [`Completion`] for callback, [`Removal`]
//! for disconnect, [`SignIns`] for login, [`Checks`] for the sweep. Whatever must hold together is
//! one transaction, and a request is one round trip.

mod attempts;
mod checks;
mod completion;
mod rate;
mod removal;
mod retry;
mod rows;
mod sign_ins;
mod transaction;
mod view;

pub use attempts::{Attempts, Begin};
pub use checks::{Checks, Cursor, Finding, Page, StoredConnection, Verdict};
pub use completion::{Completion, Earlier, NewConnection, Saved, Spend};
pub use removal::{Removal, Removed};
pub use sign_ins::{NewSession, PendingSignIn, SignIns};
pub use view::{SignedIn, View};

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

/// The store could not answer. Says which operation failed and with which of DynamoDB's error
/// codes, never what was in the call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{operation}: {cause}")]
pub struct StoreError {
    operation: &'static str,
    cause: String,
}

impl StoreError {
    fn new(operation: &'static str, cause: impl Into<String>) -> Self {
        Self { operation, cause: cause.into() }
    }

    fn of_sdk<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        let cause = match error {
            SdkError::TimeoutError(_) => "timed out",
            SdkError::DispatchFailure(_) => "not reached",
            SdkError::ConstructionFailure(_) | SdkError::ResponseError(_) => "no sensible answer",
            error => error.code().unwrap_or("unnamed error"),
        };
        Self::new(operation, cause)
    }
}

/// Whether a write was refused by its condition.
fn is_refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

impl From<BuildError> for StoreError {
    fn from(_: BuildError) -> Self {
        Self::new("request", "incomplete")
    }
}
