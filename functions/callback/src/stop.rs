//! Why a callback saved no connection.

use std::error::Error;

use evosync_connections::domain::{ErrorCode, Provider, ReturnTo, SessionCredential};
use evosync_connections::error_chain::chain;
use evosync_connections::providers::Refusal;
use evosync_connections::telemetry;
use evosync_connections::web::Answer;

/// The error code for the person, and the cause for the log.
pub(crate) struct Stop {
    pub(crate) code: ErrorCode,
    cause: String,
    /// False for a replay, whose failure was counted the first time.
    is_new: bool,
}

impl Stop {
    pub(crate) fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), is_new: true }
    }

    /// A failure on our side: a secret, encryption, the store.
    pub(crate) fn ours(error: &dyn Error) -> Self {
        Self::new(ErrorCode::Storage, chain(error))
    }

    /// A repeated callback ends as the first one did.
    pub(crate) fn repeated(code: ErrorCode) -> Self {
        Self { is_new: false, ..Self::new(code, "repeated callback") }
    }

    /// Logs and counts the failure, and redirects the person to the page that explains it.
    pub(crate) fn answer(&self, provider: Provider, credential: Option<&SessionCredential>) -> Answer {
        let (code, cause) = (self.code.code(), &self.cause);
        let user = credential.map(|credential| credential.user().as_str());
        if self.is_new {
            telemetry::count_failure(self.code);
        }
        match self.code {
            ErrorCode::AppRejected | ErrorCode::Storage if self.is_new => {
                tracing::error!(code, cause, user, provider = provider.key(), "not connected");
            }
            _ => tracing::warn!(code, cause, user, provider = provider.key(), "not connected"),
        }
        Answer::see_other(ReturnTo::ProviderError(provider, self.code).path())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.cause)
    }
}
