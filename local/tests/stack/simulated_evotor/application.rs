//! An application registered at a simulated Evotor of its own.

use std::collections::HashMap;
use std::path::PathBuf;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evosync_connections::platform::Clock;
use jiff::Timestamp;
use local::evotor::{App, Evotor};
use local::testing::{ManualClock, repeatable_entropy};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use crate::support::{Browser, Page};

const CLIENT_ID: &str = "evosync:7";
const REDIRECT_URI: &str = "https://shop.example/evotor/callback";
/// A secret that does not survive unless it is encoded.
pub(crate) const SECRET: &str = "100% sécret+word:7";
pub(crate) const STATE: &str = "the state";

/// An application registered at an Evotor of its own.
pub(crate) struct Application {
    pub(crate) evotor: Evotor,
    pub(crate) clock: ManualClock,
    pub(crate) browser: Browser,
    http: reqwest::Client,
}

impl Application {
    pub(crate) async fn start() -> Self {
        Self::at_evotor_that_keeps(None).await
    }

    /// Starts with an Evotor that keeps its state in a file.
    pub(crate) async fn at_evotor_that_keeps(file: Option<PathBuf>) -> Self {
        let app = App {
            client_id: CLIENT_ID.to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uri: REDIRECT_URI.to_owned(),
        };
        let clock = ManualClock::at(Timestamp::constant(1_795_320_960, 0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let time = Clock::new(clock.clone());
        let evotor = Evotor::start(listener, app, file, time, repeatable_entropy()).unwrap();
        let browser = Browser::new(&evotor.url());
        Self { evotor, clock, browser, http: reqwest::Client::new() }
    }

    /// Starts with a merchant's consent, and the first tokens.
    pub(crate) async fn connected(account: u64) -> (Self, Value) {
        let application = Self::start().await;
        let tokens = application.connect(account).await;
        (application, tokens)
    }

    /// The consent page, or Evotor's own page with a mistake.
    pub(crate) async fn ask(&self, change: Option<(&str, &str)>) -> Page {
        let mut fields = HashMap::from([
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("state", STATE),
        ]);
        fields.extend(change);
        let address = format!("{}/oauth/authorize", self.evotor.url());
        self.browser.open(Url::parse_with_params(&address, fields).unwrap().as_str()).await
    }

    /// What comes back from a decision.
    pub(crate) async fn decide(&self, decision: &str, account: u64) -> HashMap<String, String> {
        let form = self.ask(None).await.form("/oauth/authorize");
        let form = form.with("account", &account.to_string()).with("decision", decision);
        let location = self.browser.submit_without_following(form).await.location();
        assert!(location.starts_with(&format!("{REDIRECT_URI}?")), "{location}");
        Url::parse(&location).unwrap().query_pairs().into_owned().collect()
    }

    /// The code of a consent.
    pub(crate) async fn consent(&self, account: u64) -> String {
        self.decide("allow", account).await["code"].clone()
    }

    pub(crate) async fn connect(&self, account: u64) -> Value {
        let code = self.consent(account).await;
        answered(self.exchange(&code, REDIRECT_URI).await).await
    }

    pub(crate) async fn exchange(&self, code: &str, redirect_uri: &str) -> Response {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        self.token_request(&fields).header("authorization", basic(SECRET)).send().await.unwrap()
    }

    /// Exchanges with the right address.
    pub(crate) async fn exchange_well(&self, code: &str) -> Response {
        self.exchange(code, REDIRECT_URI).await
    }

    /// Refreshes; the request may fail.
    pub(crate) async fn try_refresh(&self, tokens: &Value) -> reqwest::Result<Response> {
        self.refresh_request(tokens).header("authorization", basic(SECRET)).send().await
    }

    pub(crate) async fn refresh(&self, tokens: &Value) -> Response {
        self.try_refresh(tokens).await.unwrap()
    }

    /// Refreshes, and gets tokens.
    pub(crate) async fn renewed(&self, tokens: &Value) -> Value {
        answered(self.refresh(tokens).await).await
    }

    /// A refresh that says nothing yet of who asks.
    pub(crate) fn refresh_request(&self, tokens: &Value) -> RequestBuilder {
        let refresh_token = text(tokens, "refresh_token");
        self.token_request(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    pub(crate) fn token_request(&self, fields: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(format!("{}/oauth/token", self.evotor.url())).form(fields)
    }

    /// A request to the API without a token.
    pub(crate) fn api(&self, path: &str) -> RequestBuilder {
        let request = self.http.get(format!("{}{path}", self.evotor.url()));
        request.header("accept", "application/vnd.evotor.v2+json")
    }

    pub(crate) async fn get(&self, path: &str, tokens: &Value) -> Response {
        self.api(path).bearer_auth(text(tokens, "access_token")).send().await.unwrap()
    }

    /// The status that a token's stores come with.
    pub(crate) async fn status(&self, tokens: &Value) -> StatusCode {
        self.get("/stores", tokens).await.status()
    }

    /// The names of a token's stores on the first page.
    pub(crate) async fn stores(&self, tokens: &Value) -> Vec<String> {
        names(&answered(self.get("/stores", tokens).await).await["items"])
    }
}

/// HTTP Basic, each part encoded first (RFC 6749, section 2.3.1).
pub(crate) fn basic(secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(secret))))
}

/// The same, with nothing encoded.
pub(crate) fn basic_as_it_is(secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{secret}")))
}

/// What a good answer says.
pub(crate) async fn answered(answer: Response) -> Value {
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// The status and the `error` of a refusal.
pub(crate) async fn refused(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, text(&body, "error").to_owned())
}

/// The names of stores.
pub(crate) fn names(stores: &Value) -> Vec<String> {
    stores.as_array().unwrap().iter().map(|store| text(store, "name").to_owned()).collect()
}

pub(crate) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}"))
}
