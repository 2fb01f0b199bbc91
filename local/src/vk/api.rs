//! The API. Errors come with status 200, and echo the request's parameters, token included.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Vk;
use super::state::{Account, VkState};
use crate::simulator::OwnWords;

type Parameters = HashMap<String, String>;

/// Who calls a method.
struct Caller {
    account: u64,
    /// What `account.getAppPermissions` says; it is not let through with a token of VK ID.
    permissions: u32,
}

/// The API's error.
pub(super) struct Failure {
    code: i64,
    subcode: Option<i64>,
    message: &'static str,
}

impl Failure {
    pub(super) fn new(code: i64, message: &'static str) -> Self {
        Self { code, subcode: None, message }
    }

    pub(super) fn with_subcode(self, subcode: i64) -> Self {
        Self { subcode: Some(subcode), ..self }
    }

    fn body(&self, parameters: &Parameters) -> Value {
        let echo: Vec<_> =
            parameters.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let mut error = json!({ "error_code": self.code, "error_msg": self.message, "request_params": echo });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        json!({ "error": error })
    }
}

/// `/method/{method}`.
pub(super) async fn call(
    State(vk): State<Vk>,
    method: Method,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    vk.shared.calls.note(method.as_str(), &format!("/method/{name}"), &query);
    if let Some(answer) = vk.fault_answer().await {
        return answer;
    }
    let mut parameters: Parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    parameters.extend(form_urlencoded::parse(&body).into_owned());
    if let Some(token) = bearer(&headers) {
        parameters.insert("access_token".to_owned(), token);
    }
    let answer = match vk.answer(&name, &parameters) {
        Ok(response) => json!({ "response": response }),
        Err(failure) => failure.body(&parameters),
    };
    vk.shared.answers.released().await;
    Json(answer).into_response()
}

impl VkState {
    /// Whose token it is, of either flow.
    fn caller(&self, token: &str, method: &str, now: Timestamp) -> Result<Caller, Failure> {
        if let Some(outcome) = self.vk_id.caller(token, method, now) {
            return outcome.map(|account| Caller { account, permissions: 0 });
        }
        let token = self.tokens.get(token).filter(|token| !token.revoked);
        let token =
            token.ok_or_else(|| Failure::new(5, "User authorization failed: invalid access_token (4)."))?;
        if token.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(Failure::new(5, "User authorization failed: access_token has expired."));
        }
        Ok(Caller { account: token.account, permissions: token.permissions })
    }
}

impl Vk {
    fn answer(&self, method: &str, parameters: &Parameters) -> Result<Value, Failure> {
        let version = parameters.get("v").and_then(|version| version.split_once('.'));
        if version.is_none_or(|(major, minor)| {
            major != "5" || minor.parse::<u32>().map_or(true, |minor| minor < 81)
        }) {
            return Err(Failure::new(8, "Invalid request: versions below 5.81 are deprecated"));
        }
        let state = self.state();
        let Some(token) = parameters.get("access_token") else {
            return Err(Failure::new(5, "User authorization failed: no access_token passed."));
        };
        let caller = state.caller(token, method, self.shared.clock.now())?;
        let account = state.account(caller.account);
        let account = account.ok_or_else(|| Failure::new(18, "User was deleted or banned"))?;
        if let Some(code) = account.error {
            return Err(Failure::new(code, "Simulated error"));
        }
        respond(method, &caller, account).ok_or_else(|| Failure::new(3, "Unknown method passed"))
    }

    /// What VK answers before it looks at the request; `None` in fair fault.
    pub(super) async fn fault_answer(&self) -> Option<Response> {
        self.shared.fault_answer(&words()).await
    }
}

fn words() -> OwnWords {
    OwnWords {
        maintenance: json!({ "error": "invalid_client", "error_description": "maintenance" }),
        rate_limited: || {
            let failure = Failure::new(6, "Too many requests per second");
            Json(failure.body(&Parameters::new())).into_response()
        },
        half: r#"{"response":[{"id":10"#,
    }
}

fn respond(method: &str, caller: &Caller, account: &Account) -> Option<Value> {
    match method {
        "users.get" => {
            let mut user = json!({
                "id": account.id,
                "first_name": account.first_name,
                "last_name": account.last_name,
                "can_access_closed": true,
                "is_closed": false,
            });
            if let Some(reason) = &account.deactivated {
                user["deactivated"] = json!(reason);
            }
            Some(json!([user]))
        }
        "account.getAppPermissions" => Some(json!(caller.permissions)),
        _ => None,
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}
