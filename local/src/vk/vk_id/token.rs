//! VK ID's token endpoint: a code, or a refresh token, for a new pair of tokens.

use aws_lc_rs::digest;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Switch;
use super::authorize::{is_state, is_url_safe};
use super::problem::{Kind, Problem};
use super::sessions::{ACCESS_LIFETIME, Issued, NO_REFRESH_TOKEN, Pair, Session};
use crate::simulator::broken_off;
use crate::vk::Vk;

/// What an application sends, of both kinds.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Sent {
    grant_type: String,
    client_id: String,
    service_token: String,
    device_id: String,
    state: String,
    code: String,
    code_verifier: String,
    redirect_uri: String,
    refresh_token: String,
}

/// `POST /id/oauth2/auth`.
pub(super) async fn answer(
    State(vk): State<Vk>,
    RawQuery(query): RawQuery,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    if let Some(answer) = vk.turned_away("/oauth2/auth", query.as_deref()).await {
        return answer;
    }
    let Ok(Form(sent)) = sent else {
        return Problem::new(Kind::InvalidRequest, "the request's body is no form").answer("");
    };
    let answer = match vk.issue(&sent) {
        Ok(issued) => Json(issued).into_response(),
        Err(problem) => problem.answer(&sent.state),
    };
    let lost = vk.state().vk_id.trouble.loses_an_answer();
    vk.shared.answers.released().await;
    if lost { broken_off() } else { answer }
}

impl Vk {
    fn issue(&self, sent: &Sent) -> Result<Value, Problem> {
        let app = self.app();
        if sent.client_id != app.client_id {
            return Err(Problem::new(Kind::InvalidClient, "client_id is missing or invalid"));
        }
        let required = !self.state().vk_id.trouble.is_on(Switch::WithoutServiceToken);
        if required && sent.service_token != app.service_token {
            return Err(Problem::new(Kind::InvalidGrant, "service_token is missing or invalid"));
        }
        if !is_state(&sent.state) {
            return Err(Problem::new(Kind::InvalidRequest, "state is missing or invalid"));
        }
        match sent.grant_type.as_str() {
            "authorization_code" => {
                let mut issued = body(&self.exchange(sent)?, &sent.state);
                issued["id_token"] = json!(URL_SAFE_NO_PAD.encode(self.shared.entropy.bytes::<90>()));
                Ok(issued)
            }
            "refresh_token" => Ok(body(&self.refresh(sent)?, &sent.state)),
            _ => Err(Problem::new(Kind::UnsupportedGrantType, "grant_type is missing or invalid")),
        }
    }

    fn exchange(&self, sent: &Sent) -> Result<Issued, Problem> {
        let now = self.shared.clock.now();
        // Whoever presents a code has used it up, with or without success.
        let code = self.state().vk_id.codes.remove(&sent.code);
        let code = code.filter(|code| now < code.expires_at);
        let code = code.ok_or_else(|| Problem::new(Kind::InvalidGrant, "code is invalid or expired"))?;
        if code.redirect_uri != sent.redirect_uri {
            return Err(Problem::new(Kind::InvalidRequest, "redirect_uri is missing or invalid"));
        }
        if code.device_id != sent.device_id {
            return Err(Problem::new(Kind::InvalidRequest, "device_id is invalid"));
        }
        if !verifies(&sent.code_verifier, &code.challenge) {
            return Err(Problem::new(Kind::InvalidGrant, "code_verifier is missing or invalid"));
        }
        let session =
            Session { account: code.account, device_id: code.device_id, scope: code.scope, ended: false };
        let tokens = Pair::random(&self.shared.entropy);
        Ok(self.change(|state| state.vk_id.sessions.begin(session, tokens, now)))
    }

    fn refresh(&self, sent: &Sent) -> Result<Issued, Problem> {
        if self.state().vk_id.trouble.is_on(Switch::RefuseRefreshes) {
            return Err(Problem::new(Kind::InvalidGrant, NO_REFRESH_TOKEN));
        }
        let (now, tokens) = (self.shared.clock.now(), Pair::random(&self.shared.entropy));
        self.change(|state| state.vk_id.sessions.rotate(&sent.refresh_token, &sent.device_id, tokens, now))
    }
}

/// The answer, without the ID token.
fn body(issued: &Issued, state: &str) -> Value {
    json!({
        "access_token": issued.tokens.access,
        "refresh_token": issued.tokens.refresh,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
        "user_id": issued.session.account,
        "scope": issued.session.scope,
        "state": state,
    })
}

/// PKCE (RFC 7636, section 4.6), with VK's letters.
fn verifies(verifier: &str, challenge: &str) -> bool {
    let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
    (43..=128).contains(&verifier.len())
        && is_url_safe(verifier)
        && URL_SAFE_NO_PAD.encode(hashed) == challenge
}
