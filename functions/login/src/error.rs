//! Why nobody signed in.

use evosync_connections::error_chain::Cause;
use evosync_connections::http_client::{HttpAnswer, HttpError};
use evosync_connections::providers::oauth::{ErrorKind, OAuthError};

/// Why nobody signed in. The causes are names and statuses, never what the issuer sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    /// The issuer, or the secret for it, cannot be reached, or the issuer is not the configured one.
    #[error("the issuer is unavailable")]
    Unavailable(#[source] Cause),
    /// The issuer refuses our client id, secret or request.
    #[error("the issuer refuses our client")]
    ClientRefused(#[source] OAuthError),
    /// The issuer's answer does not prove who the person is.
    #[error("the issuer's answer is rejected")]
    Rejected(#[source] Cause),
}

impl IssuerError {
    /// The issuer is unavailable for a reason that has causes of its own.
    pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unavailable(Cause::of(error).unwrap_or_else(|| Cause::new("no answer")))
    }

    /// Nothing came back from what was asked for.
    pub(crate) fn no_answer(asked: &str, error: &HttpError) -> Self {
        let cause = Cause::of(error).unwrap_or_else(|| Cause::new("no answer"));
        Self::Unavailable(Cause::because(asked, cause))
    }

    /// What came back is no answer to what was asked for.
    pub(crate) fn odd(asked: &str, answer: &HttpAnswer, what: &str) -> Self {
        let status = answer.status.as_u16();
        Self::Unavailable(Cause::because(asked, Cause::new(format!("HTTP {status}, {what}"))))
    }

    pub(crate) fn rejected(what: impl Into<String>) -> Self {
        Self::Rejected(Cause::new(what))
    }

    /// What an error that the issuer names means for the sign-in.
    pub(crate) fn named(error: OAuthError) -> Self {
        match error.kind() {
            ErrorKind::OurApp => Self::ClientRefused(error),
            ErrorKind::Outage => Self::Unavailable(Cause::new(error.to_string())),
            ErrorKind::Other => Self::rejected(format!("it is the error {error}")),
        }
    }
}
