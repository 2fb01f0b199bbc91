//! What the function answers: a token, or why there is none.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// A live token.
#[derive(Clone)]
pub struct Token {
    pub(crate) owner: (String, String),
    access: String,
    /// Names the token without being it; changes with every renewal and reconnection.
    pub version: String,
    /// The account's number at the provider.
    pub account_id: String,
    /// What it may do, where that is known.
    pub scopes: Option<Vec<String>>,
    /// When it lapses, if it does.
    pub expires_at: Option<Timestamp>,
    /// The address that it must be used from, where the provider binds it to one.
    pub egress: Option<String>,
}

impl Token {
    /// The token itself, for the header `Authorization: Bearer`. It belongs into no log and no file.
    pub fn access_token(&self) -> &str {
        &self.access
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Token");
        debug.field("version", &self.version).field("account_id", &self.account_id);
        debug.field("access_token", &"[redacted]").finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Stop working for the merchant, until an event says that an account was connected.
    #[error("the merchant has connected no account")]
    NotConnected,
    /// Stop until the merchant has reconnected, which an event says.
    #[error("the merchant must reconnect the account")]
    ReconnectNeeded,
    /// Stop until the merchant has reconnected with all rights, which an event says.
    #[error("the merchant has not granted all rights")]
    RightsMissing,
    /// Nothing is known to be broken: ask again after this time.
    #[error("try again in {} s", .0.as_secs())]
    TryLater(Duration),
    /// The request is wrong, in the function's words: a bug of the worker.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The function could not be asked, or failed.
    #[error("no answer: {0}")]
    Unavailable(String),
}

impl TokenError {
    /// When to ask again; `None` where that would change nothing.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TryLater(after) => Some(*after),
            Self::Unavailable(_) => Some(Duration::from_mins(1)),
            _ => None,
        }
    }
}

/// The function's answer. Members that are not used may be anything.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Refused {
        error: String,
        message: Option<String>,
        retry_after: Option<u64>,
    },
    Given {
        access_token: String,
        version: String,
        account_id: String,
        scopes: Option<Vec<String>>,
        expires_at: Option<Timestamp>,
        egress: Option<String>,
    },
}

impl Answer {
    /// What is not understood is not repeated: it may hold a token.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, TokenError> {
        let read = serde_json::from_slice(payload);
        read.map_err(|_| TokenError::Unavailable("the function's answer is none".to_owned()))
    }

    pub(crate) fn into_token(self, owner: (String, String)) -> Result<Token, TokenError> {
        match self {
            Self::Given { access_token: access, version, account_id, scopes, expires_at, egress } => {
                Ok(Token { owner, access, version, account_id, scopes, expires_at, egress })
            }
            Self::Refused { error, message, retry_after } => Err(match error.as_str() {
                "not_connected" => TokenError::NotConnected,
                "reconnect_needed" => TokenError::ReconnectNeeded,
                "rights_missing" => TokenError::RightsMissing,
                "try_later" => TokenError::TryLater(Duration::from_secs(retry_after.unwrap_or(60))),
                "bad_request" => TokenError::BadRequest(message.unwrap_or_default()),
                _ => TokenError::Unavailable(format!("an error this build does not know: {error}")),
            }),
        }
    }
}
