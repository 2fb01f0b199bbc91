//! Why nobody signed in.

use evosync_connections::error_chain::Cause;

/// Why nobody signed in. The causes are names, never what the issuer sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    /// The issuer, or the secret for it, cannot be reached.
    #[error("issuer unavailable")]
    Unavailable(#[source] Cause),
    /// The issuer refuses our client id or secret.
    #[error("issuer refuses our client")]
    ClientRefused,
    /// The issuer's answer does not prove who the person is.
    #[error("issuer's answer refused: {0}")]
    Refused(&'static str),
}

impl IssuerError {
    /// The issuer is unavailable for a reason that has causes of its own.
    pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unavailable(Cause::of(error).unwrap_or_else(|| Cause::new("no answer")))
    }
}
