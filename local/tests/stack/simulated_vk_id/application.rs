//! An application registered at a simulated VK of its own.

use std::collections::HashMap;
use std::path::PathBuf;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::Clock;
use jiff::Timestamp;
use local::testing::{ManualClock, repeatable_entropy};
use local::vk::{App, Vk};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::support::{ANNA, Browser, Page};

const REDIRECT_URI: &str = "https://shop.example/vk/callback";
const SERVICE_TOKEN: &str = "the service token";
const VERIFIER: &str = "a-verifier_of_43_letters_at_the_very_least-0";
pub(crate) const STATE: &str = "0123456789-abcdefghij_ABCDEFGHIJ";
pub(crate) const ASKED: &str = "vkid.personal_info market groups";

/// What a consent brings back, or an endpoint is sent.
pub(crate) type Fields = HashMap<String, String>;

/// An application registered at a VK of its own.
pub(crate) struct Application {
    pub(crate) vk: Vk,
    pub(crate) clock: ManualClock,
    pub(crate) http: reqwest::Client,
    pub(crate) browser: Browser,
    /// How often the test presents a spent refresh token on purpose.
    pub(crate) reuses: u64,
}

impl Drop for Application {
    fn drop(&mut self) {
        // A test that has failed already says more by its own words.
        if !std::thread::panicking() {
            assert_eq!(self.vk.reuses(), self.reuses, "refresh tokens are presented once");
        }
    }
}

impl Application {
    pub(crate) async fn start() -> Self {
        Self::at_vk_that_keeps(None).await
    }

    /// Starts with a VK that keeps its state in a file.
    pub(crate) async fn at_vk_that_keeps(file: Option<PathBuf>) -> Self {
        let clock = ManualClock::at(Timestamp::constant(1_795_320_960, 0));
        let vk = start_vk(&clock, file).await;
        let browser = Browser::new(&vk.url());
        Self { vk, clock, http: reqwest::Client::new(), browser, reuses: 0 }
    }

    /// Starts with Anna's consent to everything asked for, and her first tokens.
    pub(crate) async fn connected() -> (Self, Value) {
        let application = Self::start().await;
        let tokens = application.connect(ANNA).await;
        (application, tokens)
    }

    /// The consent page, or VK's own page with a mistake.
    pub(crate) async fn ask(&self, changes: &[(&str, &str)]) -> Page {
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
    pub(crate) async fn consent(&self, account: u64) -> Fields {
        let form = self.ask(&[]).await.form("/id/authorize");
        let form = form.with("account", &account.to_string()).with("decision", "allow");
        returned(&self.browser.submit_without_following(form).await)
    }

    /// Exchanges what came back, with changes.
    pub(crate) async fn exchange(&self, consent: &Fields, changes: &[(&str, &str)]) -> Value {
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

    pub(crate) async fn connect(&self, account: u64) -> Value {
        let consent = self.consent(account).await;
        self.exchange(&consent, &[]).await
    }

    /// Refreshes, with changes; the request may fail.
    pub(crate) async fn try_refresh(
        &self,
        tokens: &Value,
        changes: &[(&str, &str)],
    ) -> reqwest::Result<Value> {
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

    pub(crate) async fn refresh(&self, tokens: &Value) -> Value {
        self.try_refresh(tokens, &[]).await.unwrap()
    }

    /// One of the endpoints that want a token and the client's id.
    pub(crate) async fn with_token(&self, endpoint: &str, tokens: &Value) -> Value {
        let fields = changed(&[("access_token", text(tokens, "access_token")), ("client_id", "7")], &[]);
        self.post(endpoint, &fields).await.unwrap()
    }

    async fn post(&self, endpoint: &str, fields: &Fields) -> reqwest::Result<Value> {
        let url = format!("{}/id/oauth2/{endpoint}", self.vk.url());
        self.http.post(url).form(fields).send().await?.json().await
    }

    pub(crate) async fn call(&self, method: &str, tokens: &Value) -> Value {
        let url = format!("{}/method/{method}", self.vk.url());
        let fields = [("access_token", text(tokens, "access_token")), ("v", "5.199")];
        self.http.post(url).form(&fields).send().await.unwrap().json().await.unwrap()
    }

    /// Whose an access token is, or the error's code.
    pub(crate) async fn owner(&self, tokens: &Value) -> Result<u64, i64> {
        let answer = self.call("users.get", tokens).await;
        answer["response"][0]["id"].as_u64().ok_or_else(|| answer["error"]["error_code"].as_i64().unwrap())
    }
}

async fn start_vk(clock: &ManualClock, file: Option<PathBuf>) -> Vk {
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
pub(crate) fn returned(page: &Page) -> Fields {
    let location = page.location();
    assert!(location.starts_with(&format!("{REDIRECT_URI}?")), "{location} {}", page.body);
    Url::parse(&location).unwrap().query_pairs().into_owned().collect()
}

pub(crate) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}"))
}

/// An answer's `error` and description.
pub(crate) fn error(answer: &Value) -> (&str, &str) {
    (text(answer, "error"), text(answer, "error_description"))
}
