//! Why a sweep ended early.

use evosync_connections::error_chain::chain;
use evosync_connections::secrets::SecretError;
use evosync_connections::store::StoreError;
use lambda_runtime::Diagnostic;

/// Why a sweep ended early. Verdicts reached before that are recorded.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The token keys could not be read.
    #[error("cannot read the token keys")]
    Keys(#[from] SecretError),
    /// The tables could not be read, or the sweep's state could not be written.
    #[error("cannot read the connections")]
    Store(#[from] StoreError),
}

impl From<SweepError> for Diagnostic {
    fn from(error: SweepError) -> Self {
        Self { error_type: "SweepFailed".to_owned(), error_message: chain(&error) }
    }
}
