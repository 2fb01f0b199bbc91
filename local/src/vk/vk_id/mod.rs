//! VK ID, VK's second flow (OAuth 2.1): PKCE, access tokens that live an hour and are bound to an address,
//! refresh tokens that are used once. It is served under `/id`, beside the classic flow.
//!
//! [`sessions`] holds the rules, the other modules speak HTTP.

mod access;
mod account;
mod authorize;
pub(super) mod control;
mod handle;
mod problem;
mod sessions;
mod switch;
mod token;

use std::collections::HashMap;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::Vk;
use crate::simulator::Trouble;
use authorize::Code;
use problem::{Kind, Problem};
use sessions::Sessions;
pub use switch::Switch;

/// The right that every consent gives.
const PERSONAL_INFO: &str = "vkid.personal_info";

/// What VK ID knows.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct VkId {
    sessions: Sessions,
    #[serde(skip)]
    codes: HashMap<String, Code>,
    #[serde(skip)]
    trouble: Trouble<Switch>,
}

/// The routes, to be nested under `/id`.
pub(super) fn router() -> Router<Vk> {
    Router::new()
        .route("/authorize", get(authorize::show).post(authorize::decide))
        .route("/oauth2/auth", post(token::answer))
        .route("/oauth2/user_info", post(account::user_info))
        .route("/oauth2/logout", post(account::logout))
        .route("/oauth2/revoke", post(account::revoke))
}

impl Vk {
    /// Notes a call of an application's, and what VK ID answers before it looks at the body: its fault, or
    /// that parameters are in the address, where logs would keep them.
    async fn turned_away(&self, path: &str, query: Option<&str>) -> Option<Response> {
        let query = query.unwrap_or_default();
        self.shared.calls.note("POST", &format!("/id{path}"), query);
        if let Some(answer) = self.fault_answer().await {
            return Some(answer);
        }
        if self.state().vk_id.trouble.is_on(Switch::SlowDown) {
            return Some(Problem::new(Kind::SlowDown, "Too many requests").answer(""));
        }
        if query.is_empty() {
            return None;
        }
        let misplaced = Problem::new(Kind::InvalidRequest, "parameters belong in the request's body");
        Some(misplaced.answer(""))
    }
}
