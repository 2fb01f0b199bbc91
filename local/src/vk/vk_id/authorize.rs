//! VK ID's consent page. Every request has PKCE; what comes back has a device's id beside the code.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{PERSONAL_INFO, Switch};
use crate::simulator::Decision;
use crate::vk::Vk;
use crate::vk::authorize::{consent_page, mistake};

/// The rights a person can untick. Others are dropped without a word.
const RIGHTS: [(&str, &str); 8] = [
    ("market", "Товары"),
    ("groups", "Сообщества"),
    ("offline", "Доступ в любое время"),
    ("email", "Почта"),
    ("phone", "Телефон"),
    ("photos", "Фотографии"),
    ("wall", "Стена"),
    ("friends", "Друзья"),
];

const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// What a code stands for until it is exchanged.
pub(super) struct Code {
    pub(super) account: u64,
    pub(super) scope: String,
    pub(super) device_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) expires_at: Timestamp,
}

/// What an application asks for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
}

/// `GET /id/authorize`.
pub(super) async fn show(State(vk): State<Vk>, Query(asked): Query<Asked>) -> Response {
    if let Some(refusal) = asked.refusal(&vk) {
        return refusal;
    }
    let fields = [
        ("client_id", &asked.client_id),
        ("redirect_uri", &asked.redirect_uri),
        ("response_type", &asked.response_type),
        ("scope", &asked.scope),
        ("state", &asked.state),
        ("code_challenge", &asked.code_challenge),
        ("code_challenge_method", &asked.code_challenge_method),
    ];
    let fields = fields.map(|(name, value)| (name, value.as_str()));
    consent_page(&vk, "/id/authorize", &fields, asked.rights())
}

/// `POST /id/authorize`: the person allows or refuses.
pub(super) async fn decide(State(vk): State<Vk>, Form(decision): Form<Decision<Asked>>) -> Response {
    let asked = &decision.asked;
    if let Some(refusal) = asked.refusal(&vk) {
        return refusal;
    }
    let Ok(mut back) = Url::parse(&asked.redirect_uri) else {
        return mistake("invalid_request", "redirect_uri is incorrect");
    };
    match decision.allowed() {
        Some(account) => vk.send_back(&mut back, account, &decision),
        None => {
            back.query_pairs_mut()
                .append_pair("error", "access_denied")
                .append_pair("error_description", "User denied your request")
                .append_pair("state", &asked.state);
        }
    }
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

impl Asked {
    /// The rights asked for that there are, with their titles.
    fn rights(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let wanted: Vec<_> = self.scope.split(' ').collect();
        RIGHTS.into_iter().filter(move |(name, _)| wanted.contains(name))
    }

    /// VK's own page with the application's mistake, where the person stays.
    fn refusal(&self, vk: &Vk) -> Option<Response> {
        let app = vk.app();
        let mistaken = |description| Some(mistake("invalid_request", description));
        if self.client_id != app.client_id {
            return Some(mistake("invalid_client", "client_id is invalid"));
        }
        if self.redirect_uri != app.redirect_uri {
            return mistaken("redirect_uri is invalid");
        }
        if self.response_type != "code" {
            return mistaken("response_type is missing or invalid");
        }
        if !is_state(&self.state) {
            return mistaken("state is missing or invalid");
        }
        if self.code_challenge_method != "S256" {
            return mistaken("code_challenge_method is missing or invalid");
        }
        if self.code_challenge.len() != 43 || !is_url_safe(&self.code_challenge) {
            return mistaken("code_challenge is missing or invalid");
        }
        let is_right = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
        if !self.scope.split(' ').all(|right| right.chars().all(is_right)) {
            return Some(mistake("invalid_scope", "scope is invalid"));
        }
        None
    }
}

impl Vk {
    /// Issues a code, and adds what goes with it to the address the person is sent back to.
    fn send_back(&self, back: &mut Url, account: u64, decision: &Decision<Asked>) {
        let random = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let code = random(&self.shared.entropy.bytes::<48>());
        let device_id = random(&self.shared.entropy.bytes::<64>());
        let ext_id = random(&self.shared.entropy.bytes::<24>());
        let mut state = self.state();
        let trouble = &state.vk_id.trouble;
        let scope = if trouble.is_on(Switch::DropRights) {
            PERSONAL_INFO.to_owned()
        } else {
            let ticked = decision.asked.rights().filter(|(name, _)| decision.ticked(name));
            [PERSONAL_INFO].into_iter().chain(ticked.map(|(name, _)| name)).collect::<Vec<_>>().join(" ")
        };
        let sent = json!({
            "code": code,
            "state": decision.asked.state,
            "device_id": device_id,
            "type": "code_v2",
            "expires_in": CODE_LIFETIME.as_secs(),
            "ext_id": ext_id,
        });
        if trouble.is_on(Switch::Payload) {
            back.query_pairs_mut().append_pair("payload", &sent.to_string());
        } else {
            for (name, value) in sent.as_object().into_iter().flatten() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                back.query_pairs_mut().append_pair(name, &text);
            }
        }
        let granted = Code {
            account,
            scope,
            device_id,
            redirect_uri: decision.asked.redirect_uri.clone(),
            challenge: decision.asked.code_challenge.clone(),
            expires_at: self.shared.clock.now() + CODE_LIFETIME,
        };
        state.vk_id.codes.insert(code, granted);
    }
}

/// Whether a text is a state as VK ID wants it.
pub(super) fn is_state(text: &str) -> bool {
    text.len() >= 32 && is_url_safe(text)
}

/// Whether a text is of the letters of base64url alone.
pub(super) fn is_url_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
