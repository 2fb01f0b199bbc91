//! Signing in and out, and what a session is worth.

use futures_util::join;
use jiff::SignedDuration;
use local::issuer::{Endpoint, Forgery};
use serde_json::json;

use crate::support::{
    ANNA, Browser, IVAN, LAVKA, Page, ROMASHKA, TestStack, logged, logged_by, start_log, text,
};

#[tokio::test]
async fn pages_send_whoever_is_not_signed_in_to_sign_in() {
    let test = TestStack::start().await;
    for path in ["/connections", "/vk", "/vk?error=access_denied", "/vk/connect"] {
        let page = test.browser().open_without_following(&test.url(path)).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (303, "/login"), "{path}");
    }
    let page = test.browser().open_without_following(&test.url("/")).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (303, "/connections"));
}

#[tokio::test]
async fn a_person_ends_where_they_were_headed() {
    let test = TestStack::start().await;
    for (asked, reached) in [
        ("/connections", "/connections"),
        ("/vk", "/vk"),
        ("/vk?error=access_denied", "/vk?error=access_denied"),
        ("/vk?error=zzz", "/vk"),
        ("/vk/connect", "/vk"),
    ] {
        let browser = test.browser();
        let sign_in = browser.open(&test.url(asked)).await;
        let form = sign_in.form("/authorize").with("person", ROMASHKA);
        assert_eq!(browser.submit(form).await.path(), reached);
    }
}

#[tokio::test]
async fn a_forged_place_leads_nowhere_else() {
    let test = TestStack::start().await;
    for forged in ["//evil.example", "https:evil.example", "\\evil", "%2F%2Fevil"] {
        let browser = test.browser();
        browser.set_cookie("place", forged);
        let sign_in = browser.open(&test.url("/login")).await;
        let form = sign_in.form("/authorize").with("person", ROMASHKA);
        assert_eq!(browser.submit(form).await.path(), "/connections");
    }
}

#[tokio::test]
async fn the_issuer_is_asked_by_code_flow_with_pkce() {
    let test = TestStack::start().await;
    let page = test.browser().open_without_following(&test.url("/login")).await;
    let location = page.location();
    assert!(location.starts_with(&format!("{}/authorize?response_type=code&", test.stack.issuer().url())));
    for part in ["code_challenge=", "code_challenge_method=S256", "nonce=", "state=", "scope=openid+profile"]
    {
        assert!(location.contains(part), "{part}: {location}");
    }
}

#[tokio::test]
async fn a_session_cookie_is_new_at_every_sign_in_and_the_old_one_ends() {
    let (test, merchant) = TestStack::signed_in().await;
    let first = merchant.browser.cookie("session").unwrap();
    merchant.sign_in(ROMASHKA).await;
    let second = merchant.browser.cookie("session").unwrap();
    assert_ne!(first, second);
    merchant.browser.set_cookie("session", &first);
    let page = merchant.browser.open_without_following(&test.url("/vk")).await;
    assert_eq!(page.header("location"), "/login");
}

#[tokio::test]
async fn a_session_somebody_else_made_up_is_not_adopted() {
    let test = TestStack::start().await;
    let made_up = "ZGVtb3xyb21hc2hrYQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let browser = test.browser();
    browser.set_cookie("session", made_up);
    let sign_in = browser.open(&test.url("/vk")).await;
    browser.submit(sign_in.form("/authorize").with("person", ROMASHKA)).await;
    assert_ne!(browser.cookie("session").unwrap(), made_up);
}

#[tokio::test]
async fn a_session_is_valid_only_for_its_own_user() {
    let test = TestStack::start().await;
    let (maria, boris) = (test.merchant(ROMASHKA).await, test.merchant(LAVKA).await);
    boris.connect(IVAN).await;
    let (_, secret) = {
        let cookie = maria.browser.cookie("session").unwrap();
        cookie.split_once('.').map(|(user, secret)| (user.to_owned(), secret.to_owned())).unwrap()
    };
    let cookie = boris.browser.cookie("session").unwrap();
    let (user, _) = cookie.split_once('.').unwrap();
    maria.browser.set_cookie("session", &format!("{user}.{secret}"));
    for path in ["/connections", "/vk", "/vk/connect"] {
        let page = maria.browser.open_without_following(&test.url(path)).await;
        assert_eq!(page.header("location"), "/login", "{path}");
    }
}

#[tokio::test]
async fn the_table_holds_nothing_that_signs_in_or_finishes_an_attempt() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let state = consent.form("/authorize").field("state").unwrap().to_owned();
    let cookie = merchant.browser.cookie("session").unwrap();
    let (_, secret) = cookie.split_once('.').unwrap();
    let dump = format!("{:?}", test.sessions().rows().await);
    assert!(!dump.contains(secret) && !dump.contains(&state));
}

#[tokio::test]
async fn an_hour_without_activity_ends_a_session_and_activity_keeps_it() {
    let (test, merchant) = TestStack::signed_in().await;
    for _ in 0..3 {
        test.clock.advance(SignedDuration::from_mins(59));
        assert_eq!(merchant.open("/vk").await.path(), "/vk");
    }
    test.clock.advance(SignedDuration::from_mins(60));
    let page = merchant.browser.open_without_following(&test.url("/vk")).await;
    assert_eq!(page.header("location"), "/login");
    let page = merchant.browser.open_without_following(&test.url("/vk/connect")).await;
    assert_eq!(page.header("location"), "/login");
}

#[tokio::test]
async fn going_to_vk_and_coming_back_is_activity() {
    let (test, merchant) = TestStack::signed_in().await;
    test.clock.advance(SignedDuration::from_mins(59));
    let consent = merchant.start_connecting().await;
    test.clock.advance(SignedDuration::from_mins(9));
    let callback = merchant.allow(&consent, ANNA).await;
    merchant.browser.come_from_elsewhere_without_following(&callback).await;
    test.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(merchant.open("/vk").await.path(), "/vk");
}

#[tokio::test]
async fn a_day_ends_a_session_however_active() {
    let (test, merchant) = TestStack::signed_in().await;
    for _ in 0..47 {
        test.clock.advance(SignedDuration::from_mins(30));
        assert_eq!(merchant.open("/vk").await.path(), "/vk");
    }
    test.clock.advance(SignedDuration::from_mins(30));
    let page = merchant.browser.open_without_following(&test.url("/vk")).await;
    assert_eq!(page.header("location"), "/login");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_open_attempts() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    let cookie = merchant.browser.cookie("session").unwrap();
    let page = merchant.sign_out().await;
    assert!(page.text().contains("Вы вышли из EvoSync"), "{}", page.text());
    assert_eq!(merchant.browser.cookie("session"), None);

    merchant.browser.set_cookie("session", &cookie);
    let page = merchant.browser.open_without_following(&test.url("/vk")).await;
    assert_eq!(page.header("location"), "/login");
    test.stack.vk().take_calls();
    let page = merchant.browser.come_from_elsewhere_without_following(&callback).await;
    assert_eq!(page.header("location"), "/vk?error=session_expired");
    assert!(test.stack.vk().take_calls().is_empty());
}

#[tokio::test]
async fn a_forged_sign_out_is_refused() {
    let (_test, merchant) = TestStack::signed_in().await;
    let form = merchant.open("/connections").await.form("/logout");
    for forged in
        [form.clone().without("csrf"), form.clone().with_header("origin", Some("https://evil.example"))]
    {
        assert_eq!(merchant.browser.submit(forged).await.status, 403);
    }
    assert_eq!(merchant.open("/vk").await.path(), "/vk");
}

#[tokio::test]
async fn a_sign_in_is_finished_in_the_browser_that_began_it() {
    let test = TestStack::start().await;
    let (own, other) = (test.browser(), test.browser());
    let sign_in = own.open(&test.url("/login")).await;
    other.open(&test.url("/login")).await;
    let form = sign_in.form("/authorize").with("person", ROMASHKA);
    let callback = own.submit_without_following(form).await.location();
    let page = other.come_from_elsewhere(&callback).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("Не удалось войти"));
    assert_eq!(other.cookie("session"), None);
    assert_eq!(own.come_from_elsewhere(&callback).await.path(), "/connections");
}

#[tokio::test]
async fn an_answer_in_another_issuers_name_signs_nobody_in() {
    let test = TestStack::start().await;
    let own = test.stack.issuer().url();
    for (issuer, status) in [("https://evil.example", 400), ("", 400), (own.as_str(), 200)] {
        let browser = test.browser();
        let sign_in = browser.open(&test.url("/login")).await;
        let form = sign_in.form("/authorize").with("person", ROMASHKA);
        let callback = browser.submit_without_following(form).await.location();
        let answer = browser.come_from_elsewhere(&format!("{callback}&iss={issuer}")).await;
        assert_eq!(answer.status, status, "{issuer}");
        assert_eq!(browser.cookie("session").is_some(), status == 200, "{issuer}");
    }
}

#[tokio::test]
async fn another_cookie_that_is_no_text_does_not_sign_anybody_out() {
    let (test, merchant) = TestStack::signed_in().await;
    let session = format!("session={}", merchant.browser.cookie("session").unwrap());
    let event =
        crate::support::event("GET /vk", "", &["note=\u{442}\u{435}\u{441}\u{442}", "a=\u{1}", &session]);
    assert_eq!(test.stack.invoke("page", &event).await.unwrap()["statusCode"], 200);
}

#[tokio::test]
async fn two_tabs_may_sign_in_at_once() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let tabs = [browser.open(&test.url("/vk")).await, browser.open(&test.url("/connections")).await];
    for tab in &tabs {
        let page = browser.submit(tab.form("/authorize").with("person", ROMASHKA)).await;
        assert_eq!(page.status, 200);
    }
}

#[tokio::test]
async fn a_sign_in_lives_for_ten_minutes_and_works_once() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let sign_in = browser.open(&test.url("/login")).await;
    let form = sign_in.form("/authorize").with("person", ROMASHKA);
    let callback = browser.submit_without_following(form).await.location();
    test.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(browser.come_from_elsewhere(&callback).await.status, 400);

    let sign_in = browser.open(&test.url("/login")).await;
    let form = sign_in.form("/authorize").with("person", ROMASHKA);
    let callback = browser.submit_without_following(form).await.location();
    assert_eq!(browser.come_from_elsewhere(&callback).await.status, 200);
    let again = browser.come_from_elsewhere(&callback).await;
    assert_eq!(again.path(), "/connections", "a repeated callback goes on with the session");
    browser.submit(again.form("/logout")).await;
    browser.come_from_elsewhere(&callback).await;
    assert_eq!(
        browser.open_without_following(&test.url("/connections")).await.location(),
        test.url("/login")
    );
}

/// Browsers deliver a callback twice and drop the first reply, cookie included.
#[tokio::test]
async fn a_replayed_sign_in_gets_the_first_ones_session() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let callback = answered(&test, &browser).await;
    browser.come_from_elsewhere_without_following(&callback).await;
    let session = browser.cookie("session");
    browser.forget_cookie("session");
    assert_eq!(browser.come_from_elsewhere(&callback).await.path(), "/connections");
    assert_eq!(browser.cookie("session"), session);
}

#[tokio::test]
async fn two_callbacks_of_one_sign_in_at_once_both_sign_in() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let callback = answered(&test, &browser).await;
    let open = || browser.come_from_elsewhere_without_following(&callback);
    let (one, other) = join!(open(), open());
    assert_eq!([one.header("location"), other.header("location")], ["/connections"; 2]);
}

#[tokio::test]
async fn another_answer_to_a_finished_sign_in_signs_nobody_in() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let callback = answered(&test, &browser).await;
    browser.come_from_elsewhere(&callback).await;
    browser.forget_cookie("session");
    for other in [callback.replace("code=", "code=A"), callback.replace("code=", "error=")] {
        assert_eq!(browser.come_from_elsewhere(&other).await.status, 400, "{other}");
        assert_eq!(browser.cookie("session"), None);
    }
}

/// The callback's address of a sign-in at which the issuer has been answered.
async fn answered(test: &TestStack, browser: &Browser) -> String {
    let sign_in = browser.open(&test.url("/login")).await;
    browser.submit_without_following(sign_in.form("/authorize").with("person", ROMASHKA)).await.location()
}

#[tokio::test]
async fn a_refusal_at_the_issuer_is_a_page_with_a_way_out() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let sign_in = browser.open(&test.url("/login")).await;
    let page = browser.submit(sign_in.form("/authorize").with("person", "")).await;
    assert_eq!(page.status, 400);
    assert!(page.links().contains(&"/login".to_owned()), "{}", page.body);
}

#[tokio::test]
async fn an_invalid_id_token_signs_nobody_in() {
    let forged = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("another client")),
        ("nonce", json!("another sign-in")),
        ("exp", json!(1)),
        ("sub", json!("")),
    ];
    for (claim, value) in forged {
        let test = TestStack::start().await;
        test.stack.issuer().set_claim(claim, value);
        let browser = test.browser();
        let sign_in = browser.open(&test.url("/login")).await;
        let page = browser.submit(sign_in.form("/authorize").with("person", ROMASHKA)).await;
        assert_eq!(page.status, 400, "{claim}");
        assert_eq!(browser.cookie("session"), None, "{claim}");
    }
}

#[tokio::test]
async fn a_forged_signature_signs_nobody_in() {
    use Forgery::{ClientSecret, ForeignKey, PublicKey, Unsigned};
    for forgery in [ForeignKey, Unsigned, ClientSecret, PublicKey] {
        let test = TestStack::start().await;
        test.stack.issuer().set_forgery(forgery);
        let (browser, page) = sign_in(&test).await;
        assert_eq!(page.status, 400, "{forgery:?}");
        assert_eq!(browser.cookie("session"), None, "{forgery:?}");
    }
}

#[tokio::test]
async fn what_nobody_reads_of_an_issuers_documents_may_be_anything() {
    let test = TestStack::start().await;
    let issuer = test.stack.issuer();
    issuer.set_metadata("op_policy_uri", json!(""));
    issuer.set_metadata("claims_supported", json!({}));
    issuer.set_metadata("scopes_supported", json!(null));
    for (claim, value) in [
        ("updated_at", json!("2025-12-23T10:59:07.841Z")),
        ("email_verified", json!("maybe")),
        ("address", json!("Moscow")),
        ("birthdate", json!(7)),
        ("picture", json!("")),
        ("name", json!(null)),
        ("auth_time", json!("long ago")),
        ("amr", json!("pwd")),
    ] {
        issuer.set_claim(claim, value);
    }
    assert_eq!(sign_in(&test).await.1.path(), "/connections");
}

#[tokio::test]
async fn another_audience_is_trusted_where_the_token_was_issued_to_us() {
    let test = TestStack::start().await;
    let issuer = test.stack.issuer();
    issuer.set_claim("aud", json!(["evosync-local", "another client"]));
    for (party, status) in
        [(json!(null), 400), (json!("another client"), 400), (json!(""), 400), (json!("evosync-local"), 200)]
    {
        issuer.set_claim("azp", party.clone());
        assert_eq!(sign_in(&test).await.1.status, status, "{party}");
    }
    issuer.set_claim("aud", json!("evosync-local"));
    issuer.set_claim("azp", json!("another client"));
    assert_eq!(sign_in(&test).await.1.status, 400);
}

#[tokio::test]
async fn another_audience_may_be_trusted_by_configuration() {
    let test = TestStack::with_parameters([("OidcTrustedAudiences", "project other")]).await;
    test.stack.issuer().set_claim("aud", json!(["evosync-local", "project"]));
    assert_eq!(sign_in(&test).await.1.status, 200);
    test.stack.issuer().set_claim("aud", json!(["evosync-local", "stranger"]));
    assert_eq!(sign_in(&test).await.1.status, 400);
}

#[tokio::test]
async fn the_scopes_asked_for_are_configurable() {
    for (scopes, asked) in [("openid", "openid"), ("email  groups", "openid email groups")] {
        let test = TestStack::with_parameters([("OidcScopes", scopes)]).await;
        let page = test.browser().open_without_following(&test.url("/login")).await;
        let address = url::Url::parse(page.header("location")).unwrap();
        let found = address.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
        assert_eq!(found, asked);
    }
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_no_refusal_whatever_its_body_says() {
    let test = TestStack::start().await;
    for status in [408, 429, 500, 503] {
        for error in ["invalid_grant", "invalid_client", "server_error"] {
            let body = json!({ "error": error }).to_string();
            test.stack.issuer().set_fault(Endpoint::Token, Some((status, &body)));
            assert_eq!(sign_in(&test).await.1.status, 503, "{status} {error}");
        }
    }
    test.stack.issuer().set_fault(Endpoint::Token, Some((400, r#"{"error":"invalid_grant"}"#)));
    assert_eq!(sign_in(&test).await.1.status, 400);
}

#[tokio::test]
async fn the_log_says_what_is_wrong_with_the_issuer() {
    start_log();
    let table = [
        (Endpoint::Metadata, 403, "<html>", "the issuer's metadata: HTTP 403, no document"),
        (Endpoint::Metadata, 200, "<html>", "the issuer's metadata: HTTP 200, not JSON"),
        (
            Endpoint::Metadata,
            200,
            r#"{"issuer":"https://issuer.example/"}"#,
            "it is issued by https://issuer.example/",
        ),
        (Endpoint::Keys, 502, "", "the issuer's keys: HTTP 502, no document"),
        (Endpoint::Token, 403, "<html>", "the issuer's token endpoint: HTTP 403, not JSON"),
        (
            Endpoint::Token,
            401,
            r#"{"error":"invalid_client"}"#,
            "the issuer refuses our client: invalid_client",
        ),
        (
            Endpoint::Token,
            400,
            r#"{"error":"invalid_scope"}"#,
            "the issuer refuses our client: invalid_scope",
        ),
        (Endpoint::Token, 400, r#"{"error":"invalid_grant"}"#, "it is the error invalid_grant"),
    ];
    for (endpoint, status, body, cause) in table {
        let test = TestStack::start().await;
        if endpoint != Endpoint::Token {
            test.clock.advance(SignedDuration::from_hours(25));
        }
        test.stack.issuer().set_fault(endpoint, Some((status, body)));
        let browser = test.browser();
        let page = browser.open(&test.url("/login")).await;
        if endpoint == Endpoint::Token {
            browser.submit(page.form("/authorize").with("person", ROMASHKA)).await;
        }
        assert!(logged().contains(cause), "{cause}");
    }
}

#[tokio::test]
async fn an_error_on_the_issuers_redirect_is_judged_by_its_name() {
    start_log();
    let test = TestStack::start().await;
    let counted = || logged_by("metrics").iter().filter(|line| line["fields"]["SignInFailures"] == 1).count();
    for (error, status) in [
        ("invalid_scope", 503),
        ("unauthorized_client", 503),
        ("temporarily_unavailable", 503),
        ("login_required", 400),
        ("access_denied", 400),
    ] {
        let browser = test.browser();
        let callback = answered(&test, &browser).await;
        let callback = url::Url::parse(&callback).unwrap();
        let state = callback.query_pairs().find(|(name, _)| name == "state").unwrap().1;
        let url = test.url(&format!("/login/callback?state={state}&error={error}&error_description=%CF%F0"));
        for _ in 0..2 {
            assert_eq!(browser.come_from_elsewhere(&url).await.status, status, "{error}, and its repetition");
        }
    }
    assert_eq!(counted(), 4, "whoever denies access has not failed");
}

#[tokio::test]
async fn calls_to_the_issuer_have_a_user_agent_and_accept_json() {
    let test = TestStack::start().await;
    test.clock.advance(SignedDuration::from_hours(1));
    sign_in(&test).await;
    let calls = test.stack.issuer().take_calls();
    assert!(calls.len() >= 3);
    for headers in calls {
        let agent = headers["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("evosync-connections/"), "{agent}");
        assert_eq!(headers["accept"], "application/json");
    }
}

/// On a shop's shared computer the issuer may still know whoever signed out.
#[tokio::test]
async fn after_signing_out_the_issuer_asks_again_until_somebody_signs_in() {
    let (test, merchant) = TestStack::signed_in().await;
    let asks = async || {
        let page = merchant.browser.open_without_following(&test.url("/login?continue")).await;
        page.header("location").contains("prompt=login")
    };
    assert!(!asks().await);
    merchant.sign_out().await;
    test.clock.advance(SignedDuration::from_hours(24 * 30));
    assert!(asks().await);
    merchant.sign_in(ROMASHKA).await;
    assert!(!asks().await);
}

#[tokio::test]
async fn after_signing_out_the_issuers_own_sign_out_is_offered_where_it_has_one() {
    let (test, merchant) = TestStack::signed_in().await;
    assert!(!merchant.sign_out().await.body.contains("выйдите и на"));
    test.stack.issuer().set_metadata("end_session_endpoint", json!("https://issuer.example/end?a=b"));
    test.clock.advance(SignedDuration::from_hours(1));
    merchant.sign_in(ROMASHKA).await;
    let links = merchant.sign_out().await.links();
    let expected = "https://issuer.example/end?a=b&client_id=evosync-local".to_owned();
    assert!(links.contains(&expected), "{links:?}");
}

#[tokio::test]
async fn a_link_on_another_site_ends_no_live_session() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    let session = merchant.browser.cookie("session");
    for path in ["/login", "/login?continue"] {
        assert_eq!(merchant.browser.come_from_elsewhere(&test.url(path)).await.path(), "/connections");
    }
    assert_eq!(merchant.browser.cookie("session"), session);
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    test.clock.advance(SignedDuration::from_hours(2));
    let page = merchant.browser.come_from_elsewhere_without_following(&test.url("/login")).await;
    assert!(page.header("location").contains("/authorize"), "an ended session is in nobody's way");
}

/// A browser that has tried to sign in, and where that led.
async fn sign_in(test: &TestStack) -> (Browser, Page) {
    let browser = test.browser();
    let page = browser.open(&test.url("/login")).await;
    let page = browser.submit(page.form("/authorize").with("person", ROMASHKA)).await;
    (browser, page)
}

#[tokio::test]
async fn a_new_signing_key_is_fetched_when_it_is_first_met() {
    let (test, _) = TestStack::signed_in().await;
    test.clock.advance(SignedDuration::from_mins(1));
    test.stack.issuer().rotate_key();
    let merchant = test.merchant(ROMASHKA).await;
    assert_eq!(merchant.open("/vk").await.path(), "/vk");
}

#[tokio::test]
async fn another_claim_may_name_the_merchant() {
    let test = TestStack::with_parameters([("OidcUserClaim", "merchant_id")]).await;
    test.stack.issuer().set_claim("merchant_id", json!("m-77"));
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    assert_eq!(text(&test.connections().row().await, "user_id"), "m-77");
}

#[tokio::test]
async fn an_unverified_address_names_nobody() {
    let test = TestStack::with_parameters([("OidcUserClaim", "email")]).await;
    test.stack.issuer().set_claim("email", json!("a@shop.example"));
    for (verified, status) in
        [(json!(false), 400), (json!("false"), 400), (json!(true), 200), (json!("true"), 200)]
    {
        test.stack.issuer().set_claim("email_verified", verified);
        let browser = test.browser();
        let sign_in = browser.open(&test.url("/login")).await;
        let page = browser.submit(sign_in.form("/authorize").with("person", ROMASHKA)).await;
        assert_eq!(page.status, status);
    }
}

#[tokio::test]
async fn every_page_greets_the_person_and_offers_to_sign_out() {
    let (_test, merchant) = TestStack::signed_in().await;
    for path in ["/connections", "/vk", "/vk?error=no_token"] {
        let page = merchant.open(path).await;
        assert!(page.text().contains("Мария Орлова, «Ромашка»"), "{path}");
        assert!(page.form("/logout").field("csrf").is_some(), "{path}");
    }
}

#[tokio::test]
async fn session_limits_are_configurable() {
    let test = TestStack::with_parameters([("SessionIdleMinutes", "5")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    test.clock.advance(SignedDuration::from_mins(5));
    let page = merchant.browser.open_without_following(&test.url("/vk")).await;
    assert_eq!(page.header("location"), "/login");
}
