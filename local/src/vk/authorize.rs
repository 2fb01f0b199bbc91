//! The consent page. Mistakes about the application stay on VK's own page, as they do in truth.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::Vk;
use super::state::Code;
use crate::simulator::{Consent, Decision};

/// The rights the page lists, with VK's bits.
const RIGHTS: [(&str, u32, &str); 3] = [
    ("market", 1 << 27, "Товары"),
    ("groups", 1 << 18, "Сообщества"),
    ("offline", 1 << 16, "Доступ в любое время"),
];

/// Codes live up to an hour.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What an application asks for.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    state: String,
    code_challenge: Option<String>,
}

/// `GET /authorize`.
pub(super) async fn show(State(vk): State<Vk>, Query(asked): Query<Asked>) -> Response {
    if let Some(refusal) = refusal(&vk, &asked) {
        return refusal;
    }
    let wanted: Vec<_> = asked.scope.split([' ', ',']).collect();
    let rights = RIGHTS
        .iter()
        .filter(|(name, bit, _)| {
            wanted.contains(name) || asked.scope.parse().is_ok_and(|mask: u32| mask & bit != 0)
        })
        .map(|(name, _, title)| (*name, *title));
    let fields = [
        ("client_id", asked.client_id.as_str()),
        ("redirect_uri", &asked.redirect_uri),
        ("response_type", &asked.response_type),
        ("scope", &asked.scope),
        ("state", &asked.state),
    ];
    consent_page(&vk, "/authorize", &fields, rights)
}

/// The page that asks a person, of either flow: where it is posted to, what it carries along, and the
/// rights, by name and title, that can be unticked.
pub(super) fn consent_page(
    vk: &Vk,
    action: &'static str,
    fields: &[(&str, &str)],
    rights: impl Iterator<Item = (&'static str, &'static str)>,
) -> Response {
    let accounts = vk.state().accounts.iter().map(|account| (account.id, account.full_name())).collect();
    Consent { template: "vk_consent.html", action, fields, accounts, rights: rights.collect() }.page()
}

/// `POST /authorize`: the person allows or refuses.
pub(super) async fn decide(State(vk): State<Vk>, Form(decision): Form<Decision<Asked>>) -> Response {
    if let Some(refusal) = refusal(&vk, &decision.asked) {
        return refusal;
    }
    let Ok(mut back) = Url::parse(&decision.asked.redirect_uri) else {
        return mistake("invalid_request", "redirect_uri is incorrect");
    };
    match decision.allowed() {
        Some(account) => {
            let code = vk.issue_code(account, permissions(&decision), &decision.asked.redirect_uri);
            back.query_pairs_mut().append_pair("code", &code);
        }
        None => {
            back.query_pairs_mut()
                .append_pair("error", "access_denied")
                .append_pair("error_reason", "user_denied")
                .append_pair("error_description", "User denied your request");
        }
    }
    back.query_pairs_mut().append_pair("state", &decision.asked.state);
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

/// The rights that are ticked, as bits.
fn permissions(decision: &Decision<Asked>) -> u32 {
    RIGHTS.iter().filter(|(name, ..)| decision.ticked(name)).map(|(_, bit, _)| bit).sum()
}

impl Vk {
    /// Issues a code as if a person had consented.
    pub(super) fn issue_code(&self, account: u64, permissions: u32, redirect_uri: &str) -> String {
        let code = format!("{:016x}", u64::from_be_bytes(self.shared.entropy.bytes()));
        let expires_at = self.shared.clock.now() + CODE_LIFETIME;
        let redirect_uri = redirect_uri.to_owned();
        self.state().codes.insert(code.clone(), Code { account, permissions, redirect_uri, expires_at });
        code
    }
}

fn refusal(vk: &Vk, asked: &Asked) -> Option<Response> {
    let app = vk.app();
    if asked.client_id != app.client_id {
        return Some(mistake("invalid_client", "client_id is incorrect"));
    }
    if asked.redirect_uri != app.redirect_uri {
        let text = "redirect_uri is incorrect, check application redirect uri in the settings page";
        return Some(mistake("invalid_request", text));
    }
    if asked.response_type != "code" || asked.code_challenge.is_some() {
        return Some(mistake("invalid_request", "Security Error"));
    }
    None
}

/// VK's own page, where the application's mistake is shown and the person stays.
pub(super) fn mistake(error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response()
}
