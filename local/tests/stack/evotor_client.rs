//! The Evotor client, against hosts of every kind. What it makes of Evotor's own answers is in the journeys.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use evosync_connections::config::Env;
use evosync_connections::domain::secret::{AccessToken, AuthorizationCode, CodeVerifier, RefreshToken};
use evosync_connections::domain::{ErrorCode, Liveness, State, TokenSet, Unknown};
use evosync_connections::params::Params;
use evosync_connections::platform::Platform;
use evosync_connections::providers::oauth::{Exchange, GrantedCode};
use evosync_connections::providers::{CheckAnswer, Grant, Redeem, Refusal, Renewal, Subject, evotor};
use serde_json::json;

use crate::support::{Host, TestStack};

/// The product, as far as it calls Evotor. Its secrets are those of a stack.
struct Caller {
    test: TestStack,
    variables: HashMap<String, String>,
}

impl Caller {
    async fn of(evotor: &str) -> Self {
        let variables = [
            ("BASE_URL", "http://localhost:3000".to_owned()),
            ("EVOTOR_CLIENT_ID", "app".to_owned()),
            ("EVOTOR_CLIENT_SECRET_ID", "local/evotor-client-secret".to_owned()),
            ("EVOTOR_TOKEN_URL", format!("{evotor}/oauth/token")),
            ("EVOTOR_API_URL", evotor.to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { test: TestStack::start().await, variables }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn env(&self) -> Env {
        Env::of_map(self.variables.clone())
    }

    fn platform(&self) -> Platform {
        self.test.platform()
    }

    async fn check(&self) -> CheckAnswer {
        let check = evotor::check(&self.env(), &self.platform()).unwrap().unwrap();
        check.check(Subject { tokens: tokens(), account_id: "a".to_owned(), scopes: None }).await
    }

    fn redeemer(&self) -> Box<dyn Redeem> {
        let env = self.env();
        evotor::redeem(&env, &self.platform(), &env.base_url().unwrap()).unwrap().unwrap()
    }

    async fn redeem(&self) -> Result<Grant, Refusal> {
        let granted = GrantedCode { code: AuthorizationCode::new("code"), device_id: None };
        let (state, verifier) = (State::new([7; 32]), CodeVerifier::new("verifier"));
        self.redeemer().redeem(Exchange { granted, state, verifier }).await
    }

    async fn renew(&self) -> Renewal {
        evotor::renew(&self.env(), &self.platform()).unwrap().unwrap().renew(tokens()).await
    }
}

fn tokens() -> TokenSet {
    TokenSet::renewable(AccessToken::new("token"), RefreshToken::new("refresh-token"), None)
}

fn good_answer(uri: &str) -> Response {
    let body = match uri {
        "/oauth/token" => {
            json!({ "access_token": "new-token", "token_type": "bearer", "expires_in": "604800" })
        }
        "/stores" => json!([{ "id": "a", "name": "Лавка" }]),
        _ => json!({}),
    };
    body.to_string().into_response()
}

#[tokio::test]
async fn an_extra_root_is_trusted_at_every_endpoint_of_evotor() {
    let (evotor, root) = Host::certified_privately(good_answer).await;
    let caller = Caller::of(&evotor.url).await.with("EVOTOR_EXTRA_CA", &root);
    assert_eq!(caller.check().await.liveness, Liveness::Alive);
    assert_eq!(caller.redeem().await.unwrap().account.first_name, "Лавка");
    let Renewal::Renewed(renewed) = caller.renew().await else { panic!("not renewed") };
    assert_eq!(renewed.tokens.access.secret(), "new-token");
    assert_eq!(renewed.tokens.refresh.unwrap().secret(), "refresh-token", "the old one stays in force");
    assert_eq!(renewed.expires_at.unwrap().to_string(), "2026-11-29T04:16:00Z");
}

#[tokio::test]
async fn where_evotor_is_not_trusted_nothing_is_sent_and_it_is_ours_to_mend() {
    let (evotor, _) = Host::certified_privately(good_answer).await;
    let caller = Caller::of(&evotor.url).await;
    assert_eq!(caller.check().await.liveness, Liveness::Unknown(Unknown::OurFault));
    let refusal = caller.redeem().await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::AppRejected);
    assert!(refusal.cause.contains("Evotor's certificate is not trusted"), "{}", refusal.cause);
    let renewal = caller.renew().await;
    let Renewal::Unspent { answer } = renewal else { panic!("{renewal:?}") };
    assert_eq!(answer.liveness, Liveness::Unknown(Unknown::OurFault));
    assert!(evotor.take_heard().is_empty());
    let text = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----";
    let malformed = caller.with("EVOTOR_EXTRA_CA", text);
    let error = evotor::renew(&malformed.env(), &malformed.platform()).err().unwrap().to_string();
    assert!(error.contains("EVOTOR_EXTRA_CA"), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_spent() {
    let caller = Caller::of("http://127.0.0.1:9").await;
    assert_eq!(caller.check().await.liveness, Liveness::Unknown(Unknown::Transient));
    assert_eq!(caller.redeem().await.unwrap_err().code, ErrorCode::ProviderUnavailable);
    let renewal = caller.renew().await;
    assert!(
        matches!(&renewal, Renewal::Unspent { answer } if answer.liveness == Liveness::Unknown(Unknown::Transient)),
        "{renewal:?}"
    );
}

#[tokio::test]
async fn a_list_of_a_thousand_shops_is_read_and_one_without_end_is_not() {
    let list = |count: usize| {
        let shop =
            |number| json!({ "id": format!("{number:036}"), "name": "Лавка", "address": "a".repeat(200) });
        json!((0..count).map(shop).collect::<Vec<_>>()).to_string()
    };
    let evotor = Host::start(move |_| list(1_000).into_response()).await;
    let answer = Caller::of(&evotor.url).await.check().await;
    assert_eq!(answer.liveness, Liveness::Alive);
    assert_eq!(answer.account.unwrap().last_name, "1000");
    let evotor = Host::start(move |_| list(5_000).into_response()).await;
    assert_eq!(Caller::of(&evotor.url).await.check().await.liveness, Liveness::Unknown(Unknown::Transient));
}

#[tokio::test]
async fn a_passing_fault_after_the_exchange_costs_nobody_the_whole_way() {
    let asked = Arc::new(AtomicU32::new(0));
    let evotor = Host::start(move |uri: &str| match (uri, asked.fetch_add(1, Ordering::Relaxed)) {
        ("/stores", 1) => StatusCode::BAD_GATEWAY.into_response(),
        _ => good_answer(uri),
    })
    .await;
    let grant = Caller::of(&evotor.url).await.redeem().await.unwrap();
    assert_eq!(grant.account.id, "a");
    assert_eq!(evotor.take_heard(), ["/oauth/token", "/stores", "/stores"], "the code is used once");
}

#[tokio::test]
async fn an_outage_is_an_outage_whatever_its_body_says_and_may_have_spent_the_token() {
    for body in [r#"{"error":"invalid_grant"}"#, r#"{"error":"invalid_client"}"#, r#"{"access_token":"a"}"#] {
        for status in [500, 502, 503, 504] {
            let evotor =
                Host::start(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
            let caller = Caller::of(&evotor.url).await;
            assert_eq!(
                caller.redeem().await.unwrap_err().code,
                ErrorCode::ProviderUnavailable,
                "{status} {body}"
            );
            assert!(matches!(caller.renew().await, Renewal::Lost(_)), "{status} {body}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_token_endpoint_tell_the_application_from_the_grant() {
    for (status, body, code) in [
        (400, r#"{"error":"invalid_grant"}"#, ErrorCode::TokenExchange),
        (400, r#"{"error":"anything"}"#, ErrorCode::TokenExchange),
        (400, r#"{"error":{"code":1002}}"#, ErrorCode::TokenExchange),
        (401, r#"{"error":"invalid_client"}"#, ErrorCode::AppRejected),
        (401, "<html>", ErrorCode::AppRejected),
        (400, r#"{"error":"unsupported_grant_type"}"#, ErrorCode::AppRejected),
        (400, r#"{"error":"temporarily_unavailable"}"#, ErrorCode::ProviderUnavailable),
        (429, r#"{"error":"invalid_grant"}"#, ErrorCode::ProviderUnavailable),
        (200, "{}", ErrorCode::NoToken),
        (200, r#"{"access_token":"a b"}"#, ErrorCode::NoToken),
        (200, "<html>", ErrorCode::ProviderUnavailable),
        (302, "", ErrorCode::ProviderUnavailable),
    ] {
        let evotor =
            Host::start(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
        let caller = Caller::of(&evotor.url).await;
        assert_eq!(caller.redeem().await.unwrap_err().code, code, "{status} {body}");
        let renewal = caller.renew().await;
        match code {
            ErrorCode::TokenExchange => {
                assert!(matches!(renewal, Renewal::Refused(_)), "{body}: {renewal:?}");
            }
            ErrorCode::AppRejected => {
                assert!(matches!(renewal, Renewal::Unspent { .. }), "{body}: {renewal:?}");
            }
            _ if status == 429 => assert!(matches!(renewal, Renewal::Unspent { .. }), "{body}: {renewal:?}"),
            _ => assert!(matches!(renewal, Renewal::Lost(_)), "{status} {body}: {renewal:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_in_another_issuers_name_is_not_taken_for_evotors() {
    let caller = Caller::of("https://oauth.evotor.example").await;
    let state = State::new([7; 32]);
    let read = |issuer: &str| {
        let query = format!("code=c&state={}{issuer}", state.secret());
        caller.redeemer().read(&Params::parse(query.as_bytes())).is_some()
    };
    assert!(read("") && read("&iss=https%3A%2F%2Foauth.evotor.example"));
    assert!(!read("&iss=https%3A%2F%2Foauth.vk.com") && !read("&iss="));
}
