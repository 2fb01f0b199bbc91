//! The simulated VK ID, driven by a plain client as an application would: what it promises is what the
//! product's own tests stand on.

use std::collections::HashMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};
use local::testing::{ManualClock, repeatable_entropy};
use local::vk::{App, Fault, Switch, Vk};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::support::{ANNA, Browser, IVAN, Page};

const REDIRECT_URI: &str = "https://shop.example/vk/callback";
const SERVICE_TOKEN: &str = "the service token";
const STATE: &str = "0123456789-abcdefghij_ABCDEFGHIJ";
const VERIFIER: &str = "a-verifier_of_43_letters_at_the_very_least-0";
const ASKED: &str = "vkid.personal_info market groups";
const COMPROMISED: &str = "session is compromised because refresh token has already been applied";
const DEAD: &str = "refresh_token is missing or invalid";

/// What a consent brings back, or an endpoint is sent.
type Fields = HashMap<String, String>;

/// An application registered at a VK of its own.
struct Application {
    vk: Vk,
    clock: ManualClock,
    http: reqwest::Client,
    browser: Browser,
}

impl Application {
    async fn start() -> Self {
        let clock = ManualClock::at(Timestamp::constant(1_795_320_960, 0));
        let vk = start_vk(&clock, None).await;
        let browser = Browser::new(&vk.url());
        Self { vk, clock, http: reqwest::Client::new(), browser }
    }

    /// Starts with Anna's consent to everything asked for, and her first tokens.
    async fn connected() -> (Self, Value) {
        let application = Self::start().await;
        let tokens = application.connect(ANNA).await;
        (application, tokens)
    }

    /// The consent page, or VK's own page with a mistake.
    async fn ask(&self, changes: &[(&str, &str)]) -> Page {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
        let fields = [
            ("response_type", "code"),
            ("client_id", "7"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", ASKED),
            ("state", STATE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let address = format!("{}/id/authorize", self.vk.url());
        let url = Url::parse_with_params(&address, changed(&fields, changes)).unwrap();
        self.browser.open(url.as_str()).await
    }

    /// What comes back from a consent.
    async fn consent(&self, account: u64) -> Fields {
        let form = self.ask(&[]).await.form("/id/authorize");
        let form = form.with("account", &account.to_string()).with("decision", "allow");
        returned(&self.browser.submit_without_following(form).await)
    }

    /// Exchanges what came back, with changes.
    async fn exchange(&self, consent: &Fields, changes: &[(&str, &str)]) -> Value {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &consent["code"]),
            ("code_verifier", VERIFIER),
            ("client_id", "7"),
            ("device_id", &consent["device_id"]),
            ("redirect_uri", REDIRECT_URI),
            ("state", STATE),
            ("service_token", SERVICE_TOKEN),
        ];
        let mut answer = self.post("auth", &changed(&fields, changes)).await.unwrap();
        // The application keeps it beside the tokens.
        if answer.get("error").is_none() {
            answer["device_id"] = json!(consent["device_id"]);
        }
        answer
    }

    async fn connect(&self, account: u64) -> Value {
        let consent = self.consent(account).await;
        self.exchange(&consent, &[]).await
    }

    /// Refreshes, with changes; the request may fail.
    async fn try_refresh(&self, tokens: &Value, changes: &[(&str, &str)]) -> reqwest::Result<Value> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", text(tokens, "refresh_token")),
            ("client_id", "7"),
            ("device_id", text(tokens, "device_id")),
            ("state", STATE),
            ("service_token", SERVICE_TOKEN),
        ];
        let mut answer = self.post("auth", &changed(&fields, changes)).await?;
        if answer.get("error").is_none() {
            answer["device_id"] = tokens["device_id"].clone();
        }
        Ok(answer)
    }

    async fn refresh(&self, tokens: &Value) -> Value {
        self.try_refresh(tokens, &[]).await.unwrap()
    }

    /// One of the endpoints that want a token and the client's id.
    async fn with_token(&self, endpoint: &str, tokens: &Value) -> Value {
        let fields = changed(&[("access_token", text(tokens, "access_token")), ("client_id", "7")], &[]);
        self.post(endpoint, &fields).await.unwrap()
    }

    async fn post(&self, endpoint: &str, fields: &Fields) -> reqwest::Result<Value> {
        let url = format!("{}/id/oauth2/{endpoint}", self.vk.url());
        self.http.post(url).form(fields).send().await?.json().await
    }

    async fn call(&self, method: &str, tokens: &Value) -> Value {
        let url = format!("{}/method/{method}", self.vk.url());
        let fields = [("access_token", text(tokens, "access_token")), ("v", "5.199")];
        self.http.post(url).form(&fields).send().await.unwrap().json().await.unwrap()
    }

    /// Whose an access token is, or the error's code.
    async fn owner(&self, tokens: &Value) -> Result<u64, i64> {
        let answer = self.call("users.get", tokens).await;
        answer["response"][0]["id"].as_u64().ok_or_else(|| answer["error"]["error_code"].as_i64().unwrap())
    }
}

async fn start_vk(clock: &ManualClock, file: Option<std::path::PathBuf>) -> Vk {
    let app = App {
        client_id: "7".to_owned(),
        client_secret: "the client secret".to_owned(),
        service_token: SERVICE_TOKEN.to_owned(),
        redirect_uri: REDIRECT_URI.to_owned(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Vk::start(listener, app, file, Clock::new(clock.clone()), repeatable_entropy()).unwrap()
}

fn changed(fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Fields {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().chain(changes).map(owned).collect()
}

/// The query that a person is sent back to the application with.
fn returned(page: &Page) -> Fields {
    let location = page.location();
    assert!(location.starts_with(&format!("{REDIRECT_URI}?")), "{location} {}", page.body);
    Url::parse(&location).unwrap().query_pairs().into_owned().collect()
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}"))
}

/// An answer's `error` and description.
fn error(answer: &Value) -> (&str, &str) {
    (text(answer, "error"), text(answer, "error_description"))
}

#[tokio::test]
async fn a_consent_becomes_tokens_that_the_api_knows_and_that_can_be_refreshed() {
    let application = Application::start().await;
    let consent = application.consent(ANNA).await;
    assert_eq!(consent["state"], STATE);
    assert_eq!(consent["type"], "code_v2");
    assert_eq!(consent["expires_in"], "600");
    assert_eq!(consent["device_id"].len(), 86);
    let first = application.exchange(&consent, &[]).await;
    assert!(text(&first, "access_token").starts_with("vk2.a."), "{first}");
    assert!(text(&first, "refresh_token").starts_with("vk2.r."), "{first}");
    assert_eq!(first["user_id"], json!(ANNA));
    assert_eq!(first["scope"], ASKED);
    assert_eq!(first["state"], STATE);
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert!(first["id_token"].is_string());
    assert_eq!(application.owner(&first).await, Ok(ANNA));

    let second = application.refresh(&first).await;
    assert_ne!(second["access_token"], first["access_token"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!((&second["scope"], &second["user_id"]), (&first["scope"], &first["user_id"]));
    assert_eq!(second.get("id_token"), None);
    assert_eq!(application.owner(&second).await, Ok(ANNA));
    assert_eq!(application.owner(&first).await, Ok(ANNA), "it lives on to the end of its hour");
    assert_eq!(application.vk.reuses(), 0);

    let user = application.with_token("user_info", &second).await;
    assert_eq!(user["user"]["user_id"], ANNA.to_string());
    assert_eq!(user["user"]["last_name"], "Смирнова");
}

#[tokio::test]
async fn a_refresh_token_presented_twice_ends_its_session() {
    let (application, first) = Application::connected().await;
    let other_session = application.connect(ANNA).await;
    let second = application.refresh(&first).await;
    assert_eq!(error(&application.refresh(&first).await), ("invalid_grant", COMPROMISED));
    assert_eq!(application.vk.reuses(), 1);
    assert_eq!(error(&application.refresh(&second).await), ("invalid_grant", DEAD));
    assert_eq!(application.owner(&first).await, Err(5));
    assert_eq!(application.owner(&second).await, Err(5));
    assert_eq!(application.owner(&other_session).await, Ok(ANNA));
    assert_eq!(application.vk.reuses(), 1);
}

#[tokio::test]
async fn a_refusal_says_so_and_brings_the_state_back() {
    let application = Application::start().await;
    let form = application.ask(&[]).await.form("/id/authorize").with("decision", "refuse");
    let refused = returned(&application.browser.submit_without_following(form).await);
    assert_eq!((refused["error"].as_str(), refused["state"].as_str()), ("access_denied", STATE));
    assert!(!refused["error_description"].is_empty());
    assert_eq!(refused.len(), 3);
}

#[tokio::test]
async fn mistakes_of_the_application_stay_on_vks_own_page() {
    let application = Application::start().await;
    let mistakes = [
        ("client_id", "8"),
        ("redirect_uri", "https://shop.example/vk"),
        ("response_type", "token"),
        ("state", "too-short"),
        ("state", "a state with characters that are not allowed"),
        ("code_challenge", "short"),
        ("code_challenge", "a challenge with letters that are no base6"),
        ("code_challenge_method", "plain"),
        ("scope", "market,groups"),
    ];
    for mistake in mistakes {
        let page = application.ask(&[mistake]).await;
        assert_eq!(page.status, 401, "{mistake:?}");
        assert!(page.body.contains("error_description"), "{mistake:?}");
    }
}

#[tokio::test]
async fn rights_are_granted_as_ticked_and_a_refresh_widens_none() {
    let application = Application::start().await;
    let form = application.ask(&[("scope", "groups market wall_of_fame")]).await.form("/id/authorize");
    let form = form.with("account", &ANNA.to_string()).with("decision", "allow").without("market");
    let consent = returned(&application.browser.submit_without_following(form).await);
    let tokens = application.exchange(&consent, &[]).await;
    assert_eq!(tokens["scope"], "vkid.personal_info groups");
    let renewed = application.try_refresh(&tokens, &[("scope", ASKED)]).await.unwrap();
    assert_eq!(renewed["scope"], "vkid.personal_info groups");
    let permissions = application.call("account.getAppPermissions", &tokens).await;
    assert_eq!(permissions["error"]["error_code"], 1051);
}

#[tokio::test]
async fn dropped_rights_are_a_consent_after_which_every_call_fails() {
    let application = Application::start().await;
    application.vk.set_switch(Switch::DropRights, true);
    let tokens = application.connect(ANNA).await;
    assert_eq!(tokens["scope"], "vkid.personal_info");
    for method in ["users.get", "account.getAppPermissions", "groups.get"] {
        assert_eq!(application.call(method, &tokens).await["error"]["error_code"], 1051, "{method}");
    }
    application.vk.set_switch(Switch::DropRights, false);
    assert_eq!(application.connect(ANNA).await["scope"], ASKED);
}

#[tokio::test]
async fn the_payload_form_is_one_parameter_with_everything_in_it() {
    let application = Application::start().await;
    application.vk.set_switch(Switch::Payload, true);
    let back = application.consent(ANNA).await;
    assert_eq!(back.keys().collect::<Vec<_>>(), ["payload"]);
    let payload: Value = serde_json::from_str(&back["payload"]).unwrap();
    assert_eq!((text(&payload, "state"), text(&payload, "type")), (STATE, "code_v2"));
    let members = ["code", "device_id"].map(|name| (name.to_owned(), text(&payload, name).to_owned()));
    let tokens = application.exchange(&members.into(), &[]).await;
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
}

#[tokio::test]
async fn a_code_serves_once_for_ten_minutes_and_with_everything_that_belongs_to_it() {
    let application = Application::start().await;
    let used = application.consent(ANNA).await;
    application.exchange(&used, &[]).await;
    assert_eq!(error(&application.exchange(&used, &[]).await).0, "invalid_grant");

    let late = application.consent(ANNA).await;
    application.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(error(&application.exchange(&late, &[]).await).0, "invalid_grant");

    let other_verifier = "b".repeat(43);
    let mistakes = [
        (("code_verifier", other_verifier.as_str()), "invalid_grant"),
        (("device_id", "another"), "invalid_request"),
        (("redirect_uri", "https://shop.example/"), "invalid_request"),
        (("client_id", "8"), "invalid_client"),
        (("state", "short"), "invalid_request"),
        (("grant_type", "password"), "unsupported_grant_type"),
    ];
    for (mistake, expected) in mistakes {
        let consent = application.consent(ANNA).await;
        let answer = application.exchange(&consent, &[mistake]).await;
        assert_eq!(error(&answer).0, expected, "{mistake:?}");
    }
}

#[tokio::test]
async fn tokens_are_given_for_the_service_token_alone() {
    let application = Application::start().await;
    let expected = ("invalid_grant", "service_token is missing or invalid");
    let consent = application.consent(ANNA).await;
    let refused = application.exchange(&consent, &[("service_token", "the client secret")]).await;
    assert_eq!(error(&refused), expected);
    let tokens = application.exchange(&consent, &[]).await;
    let refused = application.try_refresh(&tokens, &[("service_token", "")]).await.unwrap();
    assert_eq!(error(&refused), expected);
    application.vk.set_service_token("another");
    assert_eq!(error(&application.refresh(&tokens).await), expected);
    application.vk.set_switch(Switch::WithoutServiceToken, true);
    let tokens = application.refresh(&tokens).await;
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
}

#[tokio::test]
async fn parameters_in_the_address_are_refused() {
    let application = Application::start().await;
    let url = format!("{}/id/oauth2/auth?client_id=7", application.vk.url());
    let answer = application.http.post(url).form(&[("grant_type", "refresh_token")]).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(error(&answer.json().await.unwrap()).0, "invalid_request");
}

#[tokio::test]
async fn an_access_token_lives_an_hour_and_a_refresh_token_half_a_year() {
    let (application, tokens) = Application::connected().await;
    application.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
    application.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(application.owner(&tokens).await, Err(5));
    let dead = application.with_token("user_info", &tokens).await;
    assert_eq!(error(&dead).0, "invalid_token");
    let tokens = application.refresh(&tokens).await;
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
    application.clock.advance(SignedDuration::from_hours(180 * 24));
    assert_eq!(error(&application.refresh(&tokens).await), ("invalid_grant", DEAD));
}

#[tokio::test]
async fn access_tokens_work_from_the_address_that_obtained_them() {
    let (application, tokens) = Application::connected().await;
    application.vk.change_address();
    let answer = application.call("users.get", &tokens).await;
    assert_eq!(
        (&answer["error"]["error_code"], &answer["error"]["error_subcode"]),
        (&json!(5), &json!(1130))
    );
    assert!(text(&answer["error"], "error_msg").contains("another ip address"), "{answer}");
    let renewed = application.refresh(&tokens).await;
    assert_eq!(application.owner(&renewed).await, Ok(ANNA));
    assert_eq!(application.owner(&tokens).await, Err(5));
}

#[tokio::test]
async fn a_wrong_device_and_an_unknown_refresh_token_are_told_apart() {
    let (application, tokens) = Application::connected().await;
    let refused = application.try_refresh(&tokens, &[("device_id", "another")]).await.unwrap();
    assert_eq!(error(&refused), ("invalid_request", "device_id is invalid"));
    let refused = application.try_refresh(&tokens, &[("refresh_token", "vk2.r.none")]).await.unwrap();
    assert_eq!(error(&refused), ("invalid_request", DEAD));
    assert_eq!(application.refresh(&tokens).await["state"], STATE, "neither has spent it");
}

#[tokio::test]
async fn a_refused_refresh_leaves_the_tokens_as_they_were() {
    let (application, tokens) = Application::connected().await;
    application.vk.set_switch(Switch::RefuseRefreshes, true);
    assert_eq!(error(&application.refresh(&tokens).await), ("invalid_grant", DEAD));
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
    application.vk.set_switch(Switch::RefuseRefreshes, false);
    application.vk.set_switch(Switch::SlowDown, true);
    assert_eq!(error(&application.refresh(&tokens).await).0, "slow_down");
    application.vk.set_switch(Switch::SlowDown, false);
    application.vk.set_fault(Fault::Down);
    assert!(application.try_refresh(&tokens, &[]).await.is_err(), "an outage is no JSON");
    application.vk.set_fault(Fault::None);
    let renewed = application.refresh(&tokens).await;
    assert_eq!(application.owner(&renewed).await, Ok(ANNA));
    assert_eq!(application.vk.reuses(), 0);
}

#[tokio::test]
async fn logging_out_ends_one_session_and_revoking_all_of_the_account() {
    let (application, first) = Application::connected().await;
    let second = application.connect(ANNA).await;
    let third = application.connect(ANNA).await;
    let ivans = application.connect(IVAN).await;
    assert_eq!(application.with_token("logout", &first).await, json!({ "response": 1 }));
    assert_eq!(application.owner(&first).await, Err(5));
    assert_eq!(error(&application.refresh(&first).await), ("invalid_grant", DEAD));
    assert_eq!(error(&application.with_token("logout", &first).await).0, "invalid_token");
    assert_eq!(application.owner(&second).await, Ok(ANNA));
    assert_eq!(application.with_token("revoke", &second).await, json!({ "response": 1 }));
    assert_eq!(application.owner(&third).await, Err(5));
    assert_eq!(error(&application.refresh(&third).await), ("invalid_grant", DEAD));
    assert_eq!(application.owner(&ivans).await, Ok(IVAN));
}

#[tokio::test]
async fn tokens_revoked_in_vks_settings_are_dead_with_their_refresh_tokens() {
    let (application, tokens) = Application::connected().await;
    application.vk.revoke_tokens(ANNA);
    assert_eq!(application.owner(&tokens).await, Err(5));
    assert_eq!(error(&application.refresh(&tokens).await), ("invalid_grant", DEAD));
    assert_eq!(application.vk.reuses(), 0);
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_after_the_tokens_have_changed() {
    let (application, tokens) = Application::connected().await;
    let known = application.vk.refresh_tokens().len();
    application.vk.lose_answers(1);
    let lost = application.try_refresh(&tokens, &[]).await.unwrap_err();
    assert!(lost.is_request(), "no answer has begun: {lost:?}");
    assert_eq!(application.vk.refresh_tokens().len(), known + 1, "it was done all the same, once");
    assert_eq!(application.owner(&tokens).await, Ok(ANNA));
    let calls = application.vk.take_calls();
    let refreshes = calls.iter().filter(|call| call.path == "/id/oauth2/auth").count();
    assert_eq!(refreshes, 2, "the exchange, and one refresh that nobody has repeated");
    let other = application.connect(IVAN).await;
    assert_eq!(application.owner(&other).await, Ok(IVAN));
}
