//! VK ID's endpoints for whoever has an access token: who it is, signing out, withdrawing the grant.

use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::json;

use super::problem::{Kind, Problem};
use crate::vk::Vk;

type Sent = Result<Form<Bearer>, FormRejection>;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Bearer {
    access_token: String,
    client_id: String,
}

/// `POST /id/oauth2/user_info`. The user's id is a text here.
pub(super) async fn user_info(State(vk): State<Vk>, RawQuery(query): RawQuery, sent: Sent) -> Response {
    if let Some(answer) = vk.turned_away("/oauth2/user_info", query.as_deref()).await {
        return answer;
    }
    let (_, account) = match vk.bearer(sent) {
        Ok(bearer) => bearer,
        Err(problem) => return problem.answer(""),
    };
    let state = vk.state();
    let user = state.account(account).map(|account| {
        json!({
            "user_id": account.id.to_string(),
            "first_name": account.first_name,
            "last_name": account.last_name,
            "avatar": "",
            "sex": 0,
            "verified": false,
        })
    });
    Json(json!({ "user": user })).into_response()
}

/// `POST /id/oauth2/logout`: ends the session that the token belongs to.
pub(super) async fn logout(State(vk): State<Vk>, RawQuery(query): RawQuery, sent: Sent) -> Response {
    if let Some(answer) = vk.turned_away("/oauth2/logout", query.as_deref()).await {
        return answer;
    }
    match vk.bearer(sent) {
        Ok((token, _)) => vk.change(|state| state.vk_id.sessions.end(&token)),
        Err(problem) => return problem.answer(""),
    }
    done()
}

/// `POST /id/oauth2/revoke`: withdraws everything the account has granted to the application.
pub(super) async fn revoke(State(vk): State<Vk>, RawQuery(query): RawQuery, sent: Sent) -> Response {
    if let Some(answer) = vk.turned_away("/oauth2/revoke", query.as_deref()).await {
        return answer;
    }
    match vk.bearer(sent) {
        Ok((_, account)) => vk.change(|state| state.vk_id.sessions.end_all(account)),
        Err(problem) => return problem.answer(""),
    }
    done()
}

impl Vk {
    /// The living token of a request, and whose it is.
    fn bearer(&self, sent: Sent) -> Result<(String, u64), Problem> {
        let Ok(Form(sent)) = sent else {
            return Err(Problem::new(Kind::InvalidRequest, "the request's body is no form"));
        };
        if sent.client_id != self.app().client_id {
            return Err(Problem::new(Kind::InvalidClient, "client_id is missing or invalid"));
        }
        let state = self.state();
        let live = state.vk_id.sessions.find(&sent.access_token, self.shared.clock.now());
        match live.filter(|live| !live.expired) {
            Some(live) => Ok((sent.access_token, live.session.account)),
            None => Err(Problem::new(Kind::InvalidToken, "access_token is missing or invalid")),
        }
    }
}

fn done() -> Response {
    Json(json!({ "response": 1 })).into_response()
}
