//! What goes wrong at VK ID's endpoints, as they say it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// The `error` of an answer.
#[derive(Clone, Copy, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Kind {
    InvalidRequest,
    InvalidGrant,
    InvalidClient,
    InvalidToken,
    UnsupportedGrantType,
    SlowDown,
}

impl Kind {
    /// Real VK is of two minds about the status of an error, and so is this one.
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidGrant | Self::InvalidToken | Self::SlowDown => StatusCode::OK,
            Self::InvalidRequest | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Why VK ID does not do what it is asked for.
pub(super) struct Problem {
    kind: Kind,
    description: &'static str,
}

impl Problem {
    pub(super) fn new(kind: Kind, description: &'static str) -> Self {
        Self { kind, description }
    }

    /// The answer to a request with this `state`, which is echoed unless empty.
    pub(super) fn answer(&self, state: &str) -> Response {
        let mut body = json!({ "error": <&str>::from(self.kind), "error_description": self.description });
        if !state.is_empty() {
            body["state"] = json!(state);
        }
        (self.kind.status(), Json(body)).into_response()
    }
}
