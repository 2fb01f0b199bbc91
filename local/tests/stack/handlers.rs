//! Each function, invoked with API Gateway's own events of payload format 2.0.

use serde_json::{Value, json};

use crate::support::{Merchant, TestStack, event, response_header};

/// The cookie that signs a merchant in, as an event holds it.
fn session_cookie(merchant: &Merchant) -> String {
    format!("session={}", merchant.browser.cookie("session").unwrap())
}

/// A stack, and the cookie of a merchant who has signed in.
async fn signed_in() -> (TestStack, String) {
    let (test, merchant) = TestStack::signed_in().await;
    let cookie = session_cookie(&merchant);
    (test, cookie)
}

/// The event of a form posted from the product's own page.
fn posted(test: &TestStack, route: &str, cookie: &str, body: &str) -> Value {
    let mut event = event(route, "", &[cookie]);
    event["requestContext"]["http"]["method"] = "POST".into();
    event["headers"]["content-type"] = "application/x-www-form-urlencoded".into();
    event["headers"]["origin"] = test.stack.base_url().into();
    event["headers"]["sec-fetch-site"] = "same-origin".into();
    event["body"] = body.into();
    event
}

#[tokio::test]
async fn page_answers_a_signed_in_person() {
    let (test, cookie) = signed_in().await;
    let answer = test.stack.invoke("page", &event("GET /vk", "", &[&cookie])).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(response_header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(answer["isBase64Encoded"], false);
    assert!(answer["body"].as_str().unwrap().contains("Подключить ВКонтакте"));
}

#[tokio::test]
async fn page_shows_the_words_of_an_error_code() {
    let (test, cookie) = signed_in().await;
    let event = event("GET /vk", "error=no_token", &[&cookie]);
    let answer = test.stack.invoke("page", &event).await.unwrap();
    assert!(answer["body"].as_str().unwrap().contains("ВКонтакте не передаёт доступ"));
}

#[tokio::test]
async fn dashboard_answers_both_of_its_routes() {
    let (test, cookie) = signed_in().await;
    let answer = test.stack.invoke("dashboard", &event("GET /", "", &[&cookie])).await.unwrap();
    assert_eq!((&answer["statusCode"], response_header(&answer, "location")), (&json!(303), "/connections"));
    let answer = test.stack.invoke("dashboard", &event("GET /connections", "", &[&cookie])).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
}

#[tokio::test]
async fn connect_answers_with_vks_address() {
    let (test, cookie) = signed_in().await;
    let answer = test.stack.invoke("connect", &event("GET /vk/connect", "", &[&cookie])).await.unwrap();
    assert_eq!(answer["statusCode"], 303);
    assert!(response_header(&answer, "location").starts_with(&test.stack.vk().url()));
}

#[tokio::test]
async fn the_hosts_a_request_names_are_not_believed() {
    let (test, cookie) = signed_in().await;
    for (name, value) in
        [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("host", "a b:99999")]
    {
        let mut event = event("GET /vk/connect", "", &[&cookie]);
        event["headers"][name] = value.into();
        event["requestContext"]["domainName"] = value.into();
        let answer = test.stack.invoke("connect", &event).await.unwrap();
        assert_eq!(answer["statusCode"], 303);
        let location = response_header(&answer, "location");
        let own =
            percent_encoding::utf8_percent_encode(test.stack.base_url(), percent_encoding::NON_ALPHANUMERIC);
        assert!(
            location.contains(&format!("redirect_uri={}", own.to_string().replace("%2D", "-"))),
            "{location}"
        );
    }
}

#[tokio::test]
async fn callback_answers_with_a_redirect_and_nothing_of_the_code() {
    let (test, cookie) = signed_in().await;
    let query = format!("code=canary&state={}", "A".repeat(43));
    let answer = test.stack.invoke("callback", &event("GET /vk/callback", &query, &[&cookie])).await.unwrap();
    assert_eq!(answer["statusCode"], 303);
    assert_eq!(response_header(&answer, "location"), "/vk?error=invalid_state");
    assert_eq!(response_header(&answer, "referrer-policy"), "no-referrer");
    assert_eq!(answer["body"].as_str().unwrap_or_default(), "", "no page has the code in its address");
}

#[tokio::test]
async fn disconnect_reads_forms_in_base64() {
    use base64::Engine as _;
    let (test, merchant) = TestStack::connected().await;
    let csrf = merchant.open("/vk").await.form("/vk/disconnect").field("csrf").unwrap().to_owned();
    let cookie = session_cookie(&merchant);
    let body = base64::engine::general_purpose::STANDARD.encode(format!("csrf={csrf}"));
    let mut event = posted(&test, "POST /vk/disconnect", &cookie, &body);
    event["isBase64Encoded"] = true.into();
    let answer = test.stack.invoke("disconnect", &event).await.unwrap();
    assert_eq!((&answer["statusCode"], response_header(&answer, "location")), (&json!(303), "/vk"));
    assert!(merchant.dashboard().await.contains("Не подключено"));
}

#[tokio::test]
async fn disconnect_refuses_what_is_no_form() {
    let (test, cookie) = signed_in().await;
    let mut event = posted(&test, "POST /vk/disconnect", &cookie, "{}");
    event["headers"]["content-type"] = "application/json".into();
    assert_eq!(test.stack.invoke("disconnect", &event).await.unwrap()["statusCode"], 415);
    let event = posted(&test, "POST /vk/disconnect", &cookie, &"a".repeat(5_000));
    assert_eq!(test.stack.invoke("disconnect", &event).await.unwrap()["statusCode"], 413);
}

#[tokio::test]
async fn login_sets_its_cookies_in_the_cookies_list() {
    let test = TestStack::start().await;
    let answer = test.stack.invoke("login", &event("GET /login", "", &[])).await.unwrap();
    assert_eq!(answer["statusCode"], 303);
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with("sign-in=") && cookie.contains("HttpOnly"), "one cookie, closed to scripts");
}

#[tokio::test]
async fn assets_serves_files_that_never_change_and_the_404_page() {
    let test = TestStack::start().await;
    let page = test.browser().open(&test.url("/no/such/page")).await;
    assert_eq!(page.status, 404);
    let style = page.files()[0].strip_prefix("/assets/").unwrap().to_owned();
    let mut event = event("GET /assets/{file}", "", &[]);
    event["pathParameters"] = json!({ "file": style });
    let answer = test.stack.invoke("assets", &event).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(response_header(&answer, "content-type"), "text/css; charset=utf-8");
    assert_eq!(response_header(&answer, "cache-control"), "public, max-age=31536000, immutable");
    event["pathParameters"] = json!({ "file": "../../Cargo.toml" });
    assert_eq!(test.stack.invoke("assets", &event).await.unwrap()["statusCode"], 404);
}

#[tokio::test]
async fn health_check_answers_schedulers_event_with_its_summary() {
    let test = TestStack::start().await;
    let event = json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}" });
    let answer = test.stack.invoke("health-check", &event).await.unwrap();
    assert_eq!(answer["finished"], true);
    assert_eq!(answer["alive"], 0);
}

#[tokio::test]
async fn the_correlation_id_is_api_gateways_request_id() {
    let test = TestStack::start().await;
    let event = event("$default", "", &[]);
    let answer = test.stack.invoke("assets", &event).await.unwrap();
    assert!(answer["body"].as_str().unwrap().contains("fixture-request-id"));
}
