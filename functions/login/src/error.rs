//! Why a sign-in failed.

use evosync_connections::error_chain::Cause;
use evosync_connections::http_client::{HttpAnswer, HttpError};
use evosync_connections::providers::oauth::{ErrorKind, OAuthError};

/// Why a sign-in failed. The causes are names and statuses, never the issuer's own text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    /// The issuer or its client secret cannot be reached, or the issuer is not the configured one.
    #[error("the issuer is unavailable")]
    Unavailable(#[source] Cause),
    /// The issuer refuses our client id, secret or request.
    #[error("the issuer refuses our client")]
    ClientRefused(#[source] OAuthError),
    /// The issuer's answer does not prove who the person is.
    #[error("the issuer's answer is rejected")]
    Rejected(#[source] Cause),
    /// The person did not want to sign in.
    #[error("the person denied access")]
    Denied,
}

impl IssuerError {
    /// Unavailable because of `error`, with its chain of causes.
    pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unavailable(Cause::of(error).unwrap_or_else(|| Cause::new("no answer")))
    }

    /// The request for `asked` got no answer.
    pub(crate) fn no_answer(asked: &str, error: &HttpError) -> Self {
        let cause = Cause::of(error).unwrap_or_else(|| Cause::new("no answer"));
        Self::Unavailable(Cause::because(asked, cause))
    }

    /// The request for `asked` got an unusable answer; `what` says why.
    pub(crate) fn odd(asked: &str, answer: &HttpAnswer, what: &str) -> Self {
        let status = answer.status.as_u16();
        Self::Unavailable(Cause::because(asked, Cause::new(format!("HTTP {status}, {what}"))))
    }

    pub(crate) fn rejected(what: impl Into<String>) -> Self {
        Self::Rejected(Cause::new(what))
    }

    /// Classifies an OAuth error that the issuer returned.
    pub(crate) fn named(error: OAuthError) -> Self {
        match error.kind() {
            ErrorKind::OurApp => Self::ClientRefused(error),
            ErrorKind::Outage => Self::Unavailable(Cause::new(error.to_string())),
            ErrorKind::Other => Self::rejected(format!("it is the error {error}")),
        }
    }
}
