//! What a worker gets.

use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{OfflineReason, Scopes};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A live token.
pub(crate) struct Token {
    pub(crate) access: AccessToken,
    /// Names the token without being it; changes with every renewal and reconnection.
    pub(crate) version: String,
    pub(crate) account_id: String,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) expires_at: Option<Timestamp>,
    /// The address that the token answers from, where the provider binds it to one.
    pub(crate) egress: Option<String>,
}

/// Why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The request is malformed, or its provider is not configured.
    BadRequest(&'static str),
    /// The merchant has connected no account.
    NotConnected,
    /// Only the merchant can mend the connection.
    ReconnectNeeded,
    /// The token works, and may not do what the product needs.
    RightsMissing,
    /// Nothing is known to be broken.
    TryLater(SignedDuration),
}

impl Token {
    pub(crate) fn to_json(&self) -> Value {
        let scopes: Option<Vec<_>> = self.scopes.as_ref().map(|scopes| scopes.iter().collect());
        json!({
            "access_token": self.access.secret(),
            "version": self.version,
            "account_id": self.account_id,
            "scopes": scopes,
            "expires_at": self.expires_at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "egress": self.egress,
        })
    }
}

impl Refusal {
    /// What a connection's being offline means for a worker.
    pub(crate) fn of(reason: Option<OfflineReason>) -> Self {
        match reason {
            Some(OfflineReason::PermissionMissing) => Self::RightsMissing,
            _ => Self::ReconnectNeeded,
        }
    }

    pub(crate) fn try_later(seconds: i64) -> Self {
        Self::TryLater(SignedDuration::from_secs(seconds))
    }

    /// The error's name, as a worker matches it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::NotConnected => "not_connected",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::RightsMissing => "rights_missing",
            Self::TryLater(_) => "try_later",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::BadRequest(problem) => json!({ "error": self.code(), "message": problem }),
            Self::TryLater(after) => json!({ "error": self.code(), "retry_after": after.as_secs().max(1) }),
            _ => json!({ "error": self.code() }),
        }
    }
}
