//! The token endpoint. Errors come with status 401.

use axum::Form;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::Vk;
use super::state::Token;

/// VK's bit for `offline`.
const OFFLINE: u32 = 1 << 16;
/// How long a token without `offline` lives.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What an application sends.
#[derive(Deserialize)]
pub(super) struct Exchange {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn from_query(
    State(vk): State<Vk>,
    OriginalUri(uri): OriginalUri,
    Query(exchange): Query<Exchange>,
) -> Response {
    answer(&vk, &Method::GET, uri.query().unwrap_or_default(), &exchange).await
}

pub(super) async fn from_form(
    State(vk): State<Vk>,
    OriginalUri(uri): OriginalUri,
    Form(exchange): Form<Exchange>,
) -> Response {
    answer(&vk, &Method::POST, uri.query().unwrap_or_default(), &exchange).await
}

async fn answer(vk: &Vk, method: &Method, query: &str, exchange: &Exchange) -> Response {
    vk.shared.calls.note(method.as_str(), "/access_token", query);
    if let Some(answer) = vk.fault_answer().await {
        return answer;
    }
    let app = vk.app();
    if (&exchange.client_id, &exchange.client_secret) != (&app.client_id, &app.client_secret) {
        return refused("invalid_client", "client_secret is incorrect");
    }
    let now = vk.shared.clock.now();
    let code = vk.state().codes.remove(&exchange.code);
    let Some(code) = code.filter(|code| code.redirect_uri == exchange.redirect_uri && now < code.expires_at)
    else {
        return refused("invalid_grant", "Code is invalid or expired.");
    };
    let expires_at = (code.permissions & OFFLINE == 0).then(|| now + LIFETIME);
    let token = format!("vk1.a.{}", URL_SAFE_NO_PAD.encode(vk.shared.entropy.bytes::<120>()));
    let (account, permissions) = (code.account, code.permissions);
    vk.change(|state| {
        state.tokens.insert(token.clone(), Token { account, permissions, expires_at, revoked: false });
    });
    let expires_in = expires_at.map_or(0, |_| LIFETIME.as_secs());
    let answer = json!({ "access_token": token, "expires_in": expires_in, "user_id": account });
    axum::Json(answer).into_response()
}

fn refused(error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response()
}
