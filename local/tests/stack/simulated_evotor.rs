//! The simulated Evotor, driven by a plain client as an application would: what it promises is what the
//! product's own tests stand on.

mod application;

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use jiff::SignedDuration;
use local::evotor::{Fault, HOSTILE, NEWCOMER, ROMASHKA, SMIRNOVA};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::Browser;
use application::{Application, SECRET, STATE, answered, basic, basic_as_it_is, names, refused, text};

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Longer than any answer takes that is not held.
const A_MOMENT: Duration = Duration::from_millis(300);

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn a_consent_becomes_tokens_that_list_the_merchants_stores() {
    let application = Application::start().await;
    let page = application.ask(None).await;
    assert!(page.text().contains("Установить приложение EvoSync и разрешить доступ"), "{}", page.body);
    let tokens = application.connect(SMIRNOVA).await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(604_800)));
    assert_ne!(text(&tokens, "refresh_token"), text(&tokens, "access_token"));
    assert_eq!(application.stores(&tokens).await, ["Лавка на Мира", "Склад"]);
    let others = application.connect(ROMASHKA).await;
    assert_eq!(application.stores(&others).await, ["Ромашка"]);
    let nothing = application.connect(NEWCOMER).await;
    assert!(application.stores(&nothing).await.is_empty());
    let hostile = application.connect(HOSTILE).await;
    let stores = application.stores(&hostile).await;
    assert!(stores.iter().any(|name| name.contains("<b>")), "{stores:?}");
    assert!(stores.iter().any(|name| name.starts_with('\u{202e}')), "{stores:?}");
    assert!(stores.iter().any(|name| name.chars().count() > 500), "{stores:?}");
    assert_eq!(application.evotor.access_tokens().len(), 4);
}

#[tokio::test]
async fn a_code_serves_once_for_ten_minutes_and_with_its_own_redirect_uri() {
    let application = Application::start().await;
    let used = application.consent(SMIRNOVA).await;
    answered(application.exchange_well(&used).await).await;
    assert_eq!(refused(application.exchange_well(&used).await).await, invalid_grant());

    let misled = application.consent(SMIRNOVA).await;
    let answer = application.exchange(&misled, "https://shop.example/elsewhere").await;
    assert_eq!(refused(answer).await, invalid_grant());
    assert_eq!(refused(application.exchange_well(&misled).await).await, invalid_grant(), "it is used up");

    let late = application.consent(SMIRNOVA).await;
    application.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(refused(application.exchange_well(&late).await).await, invalid_grant());
}

#[tokio::test]
async fn tokens_are_given_to_http_basic_alone_and_only_if_it_is_encoded() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let invalid_client = (401, "invalid_client".to_owned());
    for wrong in [basic("another"), basic_as_it_is(SECRET), "Basic !".to_owned(), "Bearer x".to_owned()] {
        let answer =
            application.refresh_request(&tokens).header("authorization", &wrong).send().await.unwrap();
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"evotor\"");
        assert_eq!(refused(answer).await, invalid_client, "{wrong}");
    }
    let in_the_form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("client_id", "evosync:7"),
        ("client_secret", SECRET),
    ];
    let answer = application.token_request(&in_the_form).send().await.unwrap();
    assert_eq!(refused(answer).await, invalid_client);
    let unknown = application.token_request(&[("grant_type", "password")]);
    let answer = unknown.header("authorization", basic(SECRET)).send().await.unwrap();
    assert_eq!(refused(answer).await, (400, "unsupported_grant_type".to_owned()));

    let tokens = application.renewed(&tokens).await;
    application.evotor.set_client_secret("another");
    assert_eq!(refused(application.refresh(&tokens).await).await, invalid_client);
}

#[tokio::test]
async fn state_comes_back_only_where_that_is_switched_on() {
    let application = Application::start().await;
    let keys = |back: &std::collections::HashMap<String, String>| back.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&application.decide("allow", SMIRNOVA).await), ["code"]);
    let refusal = application.decide("refuse", SMIRNOVA).await;
    assert_eq!(keys(&refusal), ["error"]);
    assert_eq!(refusal["error"], "access_denied");
    application.evotor.echo_state(true);
    assert_eq!(application.decide("allow", SMIRNOVA).await["state"], STATE);
    assert_eq!(application.decide("refuse", SMIRNOVA).await["state"], STATE);
    application.evotor.echo_state(false);
    assert_eq!(application.decide("allow", SMIRNOVA).await.get("state"), None);
}

#[tokio::test]
async fn mistakes_of_the_application_stay_on_evotors_own_page() {
    let application = Application::start().await;
    let mistakes =
        [("client_id", "8"), ("redirect_uri", "https://shop.example/evotor"), ("response_type", "token")];
    for mistake in mistakes {
        let page = application.ask(Some(mistake)).await;
        assert_eq!(page.status, 400, "{mistake:?}");
        assert!(page.body.contains("error_description"), "{mistake:?}");
        let form = application.ask(None).await.form("/oauth/authorize").with(mistake.0, mistake.1);
        let form = form.with("account", &SMIRNOVA.to_string()).with("decision", "allow");
        assert_eq!(application.browser.submit_without_following(form).await.status, 400, "{mistake:?}");
    }
}

#[tokio::test]
async fn the_api_wants_its_own_media_type_and_a_token_in_either_header() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let access = text(&tokens, "access_token");
    let answer = application.get("/stores", &tokens).await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.evotor.v2+json");
    let old = application.api("/stores").header("x-authorization", access).send().await.unwrap();
    assert_eq!(old.status(), 200);
    let url = format!("{}/stores", application.evotor.url());
    for accepted in ["application/json", "*/*"] {
        let request = reqwest::Client::new().get(&url).header("accept", accepted).bearer_auth(access);
        assert_eq!(request.send().await.unwrap().status(), 406, "{accepted}");
    }
    assert_eq!(application.get("/shops", &tokens).await.status(), 404);
    let bearers = [application.api("/stores"), application.api("/stores").bearer_auth("unknown")];
    for request in bearers {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "errors": [{ "code": 1001 }] }));
    }
}

#[tokio::test]
async fn stores_come_by_pages_or_as_a_bare_array() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let stores = answered(application.get("/stores", &tokens).await).await;
    assert_eq!(stores["paging"], json!({}));
    let id = text(&stores["items"][0], "id");
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert!(stores["items"][0]["address"].is_string());

    application.evotor.set_stores(SMIRNOVA, &["1", "2", "3", "4", "5"]);
    application.evotor.page_size(2);
    let (mut path, mut pages, mut ids) = ("/stores".to_owned(), Vec::new(), Vec::new());
    loop {
        let page = answered(application.get(&path, &tokens).await).await;
        pages.push(names(&page["items"]).concat());
        ids.extend(page["items"].as_array().unwrap().iter().map(|store| text(store, "id").to_owned()));
        let Some(cursor) = page["paging"]["next_cursor"].as_str() else { break };
        path = format!("/stores?cursor={cursor}");
    }
    assert_eq!(pages, ["12", "34", "5"]);
    ids.dedup();
    assert_eq!(ids.len(), 5);
    assert_eq!(application.get("/stores?cursor=nowhere", &tokens).await.status(), 400);
    application.evotor.page_size(0);
    assert_eq!(application.stores(&tokens).await, ["1"], "a page has one store at least");

    application.evotor.bare_stores(true);
    let bare = answered(application.get("/stores", &tokens).await).await;
    assert_eq!(names(&bare).concat(), "12345");
}

#[tokio::test]
async fn a_refresh_token_presented_twice_ends_its_grant() {
    let (application, first) = Application::connected(SMIRNOVA).await;
    let other_grant = application.connect(SMIRNOVA).await;
    let second = application.renewed(&first).await;
    assert_ne!(second["access_token"], first["access_token"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(application.status(&first).await, 200, "it lives on to the end of its week");
    assert_eq!((application.evotor.reuses(), application.evotor.living_tokens(SMIRNOVA)), (0, 3));

    assert_eq!(refused(application.refresh(&first).await).await, invalid_grant());
    assert_eq!(application.evotor.reuses(), 1);
    assert_eq!(refused(application.refresh(&second).await).await, invalid_grant());
    for dead in [&first, &second] {
        assert_eq!(application.status(dead).await, 401);
    }
    assert_eq!(application.status(&other_grant).await, 200);
    assert_eq!((application.evotor.reuses(), application.evotor.living_tokens(SMIRNOVA)), (1, 1));
}

#[tokio::test]
async fn without_rotation_the_refresh_token_stays_and_none_comes_back() {
    let (application, first) = Application::connected(SMIRNOVA).await;
    application.evotor.rotate(false);
    for _ in 0..2 {
        let renewed = application.renewed(&first).await;
        assert_eq!(renewed.get("refresh_token"), None);
        assert_eq!(application.status(&renewed).await, 200);
    }
    assert_eq!((application.evotor.reuses(), application.evotor.refresh_tokens().len()), (0, 1));
    application.evotor.rotate(true);
    let rotated = application.renewed(&first).await;
    assert!(application.evotor.refresh_tokens().contains(&text(&rotated, "refresh_token").to_owned()));
}

#[tokio::test]
async fn an_access_token_lives_seven_days_and_its_refresh_token_longer() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    application.clock.advance(WEEK - SignedDuration::from_secs(1));
    assert_eq!(application.status(&tokens).await, 200);
    application.clock.advance(SignedDuration::from_secs(1));
    let answer = application.get("/stores", &tokens).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "errors": [{ "code": 1001 }] }));
    assert_eq!(application.evotor.living_tokens(SMIRNOVA), 0);
    let renewed = application.renewed(&tokens).await;
    assert_eq!(application.status(&renewed).await, 200);
}

#[tokio::test]
async fn an_uninstalled_application_has_nothing_left_and_can_be_installed_again() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let others = application.connect(ROMASHKA).await;
    let code = application.consent(SMIRNOVA).await;
    application.evotor.uninstall(SMIRNOVA);
    assert_eq!(application.status(&tokens).await, 401);
    assert_eq!(refused(application.refresh(&tokens).await).await, invalid_grant());
    assert_eq!(refused(application.exchange_well(&code).await).await, invalid_grant());
    assert_eq!((application.evotor.living_tokens(SMIRNOVA), application.evotor.reuses()), (0, 0));
    assert_eq!(application.status(&others).await, 200);
    let again = application.connect(SMIRNOVA).await;
    assert_eq!(application.status(&again).await, 200);
    assert_eq!(application.status(&tokens).await, 401, "it stays dead");
}

#[tokio::test]
async fn a_missing_right_is_forbidden_until_it_is_given_back() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let others = application.connect(ROMASHKA).await;
    application.evotor.forbid(SMIRNOVA, true);
    assert_eq!(application.status(&tokens).await, 403);
    assert_eq!(application.status(&others).await, 200);
    let renewed = application.renewed(&tokens).await;
    assert_eq!(application.status(&renewed).await, 403);
    application.evotor.forbid(SMIRNOVA, false);
    assert_eq!(application.status(&tokens).await, 200);
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_the_window_ends() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    application.evotor.set_fault(Fault::RateLimited);
    for answer in [application.get("/stores", &tokens).await, application.refresh(&tokens).await] {
        assert_eq!(answer.status(), 429);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let told = ["limit", "remaining", "reset"].map(|name| header(&format!("x-ratelimit-{name}")));
        assert_eq!(told, ["100", "0", "7"]);
    }
    application.evotor.set_fault(Fault::None);
    assert_eq!(application.status(&application.renewed(&tokens).await).await, 200, "no refresh was done");
}

#[tokio::test]
async fn outages_blame_tokens_that_they_do_not_touch() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    application.evotor.set_fault(Fault::Down);
    assert_eq!(application.status(&tokens).await, 502);
    application.evotor.set_fault(Fault::Maintenance);
    assert_eq!(refused(application.refresh(&tokens).await).await, (503, "invalid_grant".to_owned()));
    let answer = application.get("/stores", &tokens).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["errors"][0]["code"], 1001);
    application.evotor.set_fault(Fault::Garbled);
    assert!(application.get("/stores", &tokens).await.json::<Value>().await.is_err());
    application.evotor.set_fault(Fault::Slow);
    assert_eq!(application.status(&application.renewed(&tokens).await).await, 200);
    application.evotor.set_fault(Fault::None);
    application.evotor.refuse_refreshes(true);
    let tokens = application.connect(SMIRNOVA).await;
    assert_eq!(refused(application.refresh(&tokens).await).await, invalid_grant());
    application.evotor.refuse_refreshes(false);
    assert_eq!(application.status(&application.renewed(&tokens).await).await, 200);
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_after_the_tokens_have_changed() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    application.evotor.take_calls();
    application.evotor.lose_answers(1);
    let lost = application.try_refresh(&tokens).await.unwrap_err();
    assert!(lost.is_request(), "no answer has begun: {lost:?}");
    assert_eq!(application.evotor.refresh_tokens().len(), 2, "it was done all the same, once");
    let calls = application.evotor.take_calls();
    let calls: Vec<_> = calls.iter().map(|call| (call.http_method.as_str(), call.path.as_str())).collect();
    assert_eq!(calls, [("POST", "/oauth/token")], "nobody has repeated it");
    application.connect(ROMASHKA).await;
}

#[tokio::test]
async fn held_answers_come_late_though_the_tokens_have_changed() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    application.evotor.take_calls();
    application.evotor.hold_answers();
    let (mut renewed, mut stores) = (pin!(application.renewed(&tokens)), pin!(application.stores(&tokens)));
    assert!(timeout(A_MOMENT, &mut renewed).await.is_err(), "it is held");
    assert!(timeout(A_MOMENT, &mut stores).await.is_err(), "it is held");
    application.evotor.called(2).await;
    assert_eq!(application.evotor.refresh_tokens().len(), 2);
    application.evotor.release_answers();
    let (renewed, stores) = (renewed.await, stores.await);
    assert_eq!(stores, ["Лавка на Мира", "Склад"]);
    assert_eq!(application.status(&renewed).await, 200);
}

#[tokio::test]
async fn grants_and_stores_outlive_a_restart() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evotor-remembers.json");
    let _ = std::fs::remove_file(&file);
    let application = Application::at_evotor_that_keeps(Some(file.clone())).await;
    let spent = application.connect(SMIRNOVA).await;
    let tokens = application.renewed(&spent).await;
    let others = application.connect(ROMASHKA).await;
    application.evotor.set_stores(SMIRNOVA, &["Новая"]);
    application.evotor.forbid(ROMASHKA, true);
    drop(application);

    let application = Application::at_evotor_that_keeps(Some(file)).await;
    assert_eq!(application.stores(&tokens).await, ["Новая"]);
    assert_eq!(application.status(&others).await, 403);
    assert_eq!(refused(application.refresh(&spent).await).await, invalid_grant());
    assert_eq!((application.evotor.reuses(), application.status(&tokens).await.as_u16()), (1, 401));
}

#[tokio::test]
async fn the_control_page_makes_the_same_trouble() {
    let (application, tokens) = Application::connected(SMIRNOVA).await;
    let evotor = application.evotor.clone();
    let sweep = || Box::pin(async { "всё живо".to_owned() }) as _;
    let events = || vec!["первое".to_owned(), "второе".to_owned()];
    evotor.connect_to("http://product.example".to_owned(), Box::new(sweep), Box::new(events));
    let browser = Browser::new(&evotor.url());
    let order = async |action: &str, fields: &[(&str, &str)]| {
        let controls = browser.open(&evotor.url()).await;
        let form = controls.form(&format!("/control/{action}"));
        browser.submit(fields.iter().fold(form, |form, (name, value)| form.with(name, value))).await
    };
    let page = order("sweep", &[]).await;
    assert!(page.text().contains("всё живо") && page.text().contains("второе первое"), "{}", page.body);
    assert!(page.text().starts_with("Пульт имитации Эвотора. К подключениям EvoSync"), "{}", page.text());
    assert!(page.text().contains("Состояние Эвотора исправен"), "{}", page.text());
    assert!(page.links().contains(&"http://product.example/connections".to_owned()));
    assert!(page.text().contains("действующих токенов: 1"), "{}", page.text());

    let (smirnova, on) = (SMIRNOVA.to_string(), "(включено)");
    let page = order("switch", &[("value", "echo-state")]).await.text();
    assert!(page.contains(&format!("Выключить возвращать приложению state {on}")), "{page}");
    assert_eq!(application.decide("allow", SMIRNOVA).await["state"], STATE);
    order("forbid", &[("account", &smirnova), ("value", "on")]).await;
    assert_eq!(application.status(&tokens).await, 403);
    order("forbid", &[("account", &smirnova), ("value", "")]).await;
    order("stores", &[("account", &smirnova), ("value", "Раз; <b>Два;")]).await;
    assert_eq!(application.stores(&tokens).await, ["Раз", "<b>Два"]);
    order("page-size", &[("value", "1")]).await;
    assert_eq!(application.stores(&tokens).await, ["Раз"]);
    order("fault", &[("value", "down")]).await;
    assert_eq!(application.status(&tokens).await, 502);
    order("fault", &[("value", "none")]).await;
    let page = order("lose-answers", &[("value", "2")]).await.text();
    assert!(page.contains("осталось потерять: 2"), "{page}");
    let page = order("uninstall", &[("account", &smirnova)]).await;
    assert_eq!(application.status(&tokens).await, 401);
    assert!(page.text().contains("действующих токенов: 0"), "{}", page.text());
    assert!(page.text().contains("GET /stores POST /oauth/token"), "{}", page.text());
    assert!(!page.body.contains("<b>Два"), "names are escaped");
}
