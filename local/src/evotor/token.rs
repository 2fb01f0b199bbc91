//! The token endpoint: a code, or a refresh token, for tokens. The application shows who it is by HTTP Basic
//! alone.

use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::json;

use super::Evotor;
use super::basic::credentials;
use super::grants::{ACCESS_LIFETIME, Issued};
use super::switch::Switch;
use crate::simulator::broken_off;

/// What an application sends, of both kinds.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Sent {
    grant_type: String,
    code: String,
    redirect_uri: String,
    refresh_token: String,
}

/// Why there are no tokens.
enum Refusal {
    /// It is not the application that asks.
    Client,
    /// `error` and its description.
    Because(&'static str, &'static str),
}

/// `POST /oauth/token`.
pub(super) async fn answer(
    State(evotor): State<Evotor>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    if let Some(answer) = evotor.turned_away("POST", "/oauth/token", query.as_deref()).await {
        return answer;
    }
    let answer = match evotor.issue(&headers, sent) {
        Ok(issued) => issued.answer(),
        Err(refusal) => refusal.answer(),
    };
    let lost = evotor.shared.state().ways.trouble.loses_an_answer();
    evotor.shared.answers.released().await;
    if lost { broken_off() } else { answer }
}

impl Evotor {
    fn issue(&self, headers: &HeaderMap, sent: Result<Form<Sent>, FormRejection>) -> Result<Issued, Refusal> {
        let app = self.shared.app();
        if credentials(headers) != Some((app.client_id, app.client_secret)) {
            return Err(Refusal::Client);
        }
        let Form(sent) = sent.map_err(|_| Refusal::Because("invalid_request", "the body is no form"))?;
        match sent.grant_type.as_str() {
            "authorization_code" => self.exchange(&sent),
            "refresh_token" => self.refresh(&sent),
            _ => Err(Refusal::Because("unsupported_grant_type", "unknown grant_type")),
        }
    }

    fn exchange(&self, sent: &Sent) -> Result<Issued, Refusal> {
        let now = self.shared.clock.now();
        // Whoever presents a code has used it up, with or without success.
        let code = self.shared.state().codes.remove(&sent.code);
        let code = code.filter(|code| now < code.expires_at && code.redirect_uri == sent.redirect_uri);
        let code = code.ok_or(Refusal::Because("invalid_grant", "the code is not valid"))?;
        Ok(self.shared.change(|state| state.grants.begin(code.account, &self.shared.entropy, now)))
    }

    fn refresh(&self, sent: &Sent) -> Result<Issued, Refusal> {
        let (now, entropy) = (self.shared.clock.now(), &self.shared.entropy);
        let issued = self.shared.change(|state| {
            let trouble = &state.ways.trouble;
            if trouble.is_on(Switch::RefuseRefreshes) {
                return None;
            }
            let rotates = trouble.is_on(Switch::Rotate);
            state.grants.refresh(&sent.refresh_token, rotates, entropy, now)
        });
        issued.ok_or(Refusal::Because("invalid_grant", "the refresh token is not valid"))
    }
}

impl Issued {
    fn answer(&self) -> Response {
        let mut body = json!({
            "access_token": self.access,
            "token_type": "bearer",
            "expires_in": ACCESS_LIFETIME.as_secs(),
        });
        if let Some(refresh) = &self.refresh {
            body["refresh_token"] = json!(refresh);
        }
        Json(body).into_response()
    }
}

impl Refusal {
    fn answer(&self) -> Response {
        match self {
            Self::Client => {
                let wanted = [(header::WWW_AUTHENTICATE, "Basic realm=\"evotor\"")];
                (StatusCode::UNAUTHORIZED, wanted, Json(json!({ "error": "invalid_client" }))).into_response()
            }
            Self::Because(error, description) => {
                let body = json!({ "error": error, "error_description": description });
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
        }
    }
}
