//! The consent page. Mistakes about the application stay on Evotor's own page. There are no rights to choose:
//! they are fixed when the application is registered.

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::Evotor;
use super::grants::random;
use super::state::Code;
use super::switch::Switch;
use crate::simulator::{Consent, Decision};

const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// What an application asks for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: Option<String>,
}

/// `GET /oauth/authorize`.
pub(super) async fn show(State(evotor): State<Evotor>, Query(asked): Query<Asked>) -> Response {
    if let Err(mistake) = asked.redirect(&evotor) {
        return mistake.page();
    }
    let mut fields = vec![
        ("client_id", asked.client_id.as_str()),
        ("redirect_uri", &asked.redirect_uri),
        ("response_type", &asked.response_type),
    ];
    fields.extend(asked.state.iter().map(|state| ("state", state.as_str())));
    let state = evotor.shared.state();
    let accounts = state.accounts.iter().map(|account| (account.id, account.name.clone())).collect();
    let (template, action) = ("evotor_consent.html", "/oauth/authorize");
    Consent { template, action, fields: &fields, accounts, rights: Vec::new() }.page()
}

/// `POST /oauth/authorize`: the merchant installs the application, or refuses.
pub(super) async fn decide(State(evotor): State<Evotor>, Form(decision): Form<Decision<Asked>>) -> Response {
    let mut back = match decision.asked.redirect(&evotor) {
        Ok(back) => back,
        Err(mistake) => return mistake.page(),
    };
    match decision.allowed() {
        Some(account) => {
            let code = evotor.issue_code(account, &decision.asked.redirect_uri);
            back.query_pairs_mut().append_pair("code", &code);
        }
        None => {
            back.query_pairs_mut().append_pair("error", "access_denied");
        }
    }
    if let Some(state) = &decision.asked.state
        && evotor.shared.state().ways.trouble.is_on(Switch::EchoState)
    {
        back.query_pairs_mut().append_pair("state", state);
    }
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

/// What is wrong with what an application asks for: `error` and its description.
struct Mistake(&'static str, &'static str);

impl Mistake {
    /// Evotor's own page, where the merchant stays.
    fn page(&self) -> Response {
        let body = json!({ "error": self.0, "error_description": self.1 });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

impl Asked {
    /// Where the merchant is sent back to.
    fn redirect(&self, evotor: &Evotor) -> Result<Url, Mistake> {
        let app = evotor.shared.app();
        if self.client_id != app.client_id {
            return Err(Mistake("invalid_client", "unknown client_id"));
        }
        if self.response_type != "code" {
            return Err(Mistake("unsupported_response_type", "response_type must be code"));
        }
        let registered =
            Url::parse(&self.redirect_uri).ok().filter(|_| self.redirect_uri == app.redirect_uri);
        registered.ok_or(Mistake("invalid_request", "redirect_uri is not registered"))
    }
}

impl Evotor {
    fn issue_code(&self, account: u64, redirect_uri: &str) -> String {
        let code = random(&self.shared.entropy);
        let expires_at = self.shared.clock.now() + CODE_LIFETIME;
        let redirect_uri = redirect_uri.to_owned();
        self.shared.state().codes.insert(code.clone(), Code { account, redirect_uri, expires_at });
        code
    }
}
