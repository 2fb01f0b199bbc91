//! The simulated VK ID, driven by a plain client as an application would: what it promises is what the
//! product's own tests stand on.

mod application;

use std::path::Path;

use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use serde_json::{Value, json};

use crate::support::{ANNA, Browser, IVAN, TestStack};
use application::{ASKED, Application, STATE, error, returned, text};

const COMPROMISED: &str = "session is compromised because refresh token has already been applied";
const DEAD: &str = "refresh_token is missing or invalid";

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

    let user = application.with_token("user_info", &second).await;
    assert_eq!(user["user"]["user_id"], ANNA.to_string());
    assert_eq!(user["user"]["last_name"], "Смирнова");
}

#[tokio::test]
async fn a_refresh_token_presented_twice_ends_its_session() {
    let (mut application, first) = Application::connected().await;
    application.reuses = 1;
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

#[tokio::test]
async fn a_held_answer_comes_late_though_the_tokens_have_changed() {
    let (application, tokens) = Application::connected().await;
    let known = application.vk.refresh_tokens().len();
    application.vk.take_calls();
    application.vk.hold_answers();
    let waiting = async {
        application.vk.called(1).await;
        while application.vk.refresh_tokens().len() == known {
            tokio::task::yield_now().await;
        }
        application.vk.release_answers();
    };
    let (renewed, ()) = tokio::join!(application.refresh(&tokens), waiting);
    assert_eq!(application.owner(&renewed).await, Ok(ANNA));
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_files_of_earlier_builds_open() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vk-id-remembers.json");
    let before = json!({
        "accounts": [{
            "id": ANNA, "first_name": "Анна", "last_name": "Смирнова", "deactivated": null, "error": null,
        }],
        "tokens": {
            "vk1.a.old": { "account": ANNA, "permissions": 1, "expires_at": null, "revoked": false },
        },
    });
    std::fs::write(&file, before.to_string()).unwrap();
    let application = Application::at_vk_that_keeps(Some(file.clone())).await;
    assert_eq!(application.owner(&json!({ "access_token": "vk1.a.old" })).await, Ok(ANNA));
    let tokens = application.connect(ANNA).await;
    application.vk.change_address();
    drop(application);

    let application = Application::at_vk_that_keeps(Some(file)).await;
    assert_eq!(application.owner(&tokens).await, Err(5), "it is still another address");
    let renewed = application.refresh(&tokens).await;
    assert_eq!(application.owner(&renewed).await, Ok(ANNA));
    assert_eq!(application.owner(&json!({ "access_token": "vk1.a.old" })).await, Ok(ANNA));
}

#[tokio::test]
async fn the_control_page_makes_the_same_trouble() {
    let (mut application, tokens) = Application::connected().await;
    application.reuses = 1;
    let (vk, browser) = (application.vk.clone(), Browser::new(&application.vk.url()));
    let order = async |action: &str, field: (&str, &str)| {
        let controls = browser.open(&format!("{}/control", vk.url())).await;
        browser.submit(controls.form(action).with(field.0, field.1)).await.text()
    };
    let page = order("/control/switch", ("value", "drop-rights")).await;
    assert!(page.contains("Выключить молча выдавать только vkid.personal_info (включено)"), "{page}");
    assert_eq!(application.connect(ANNA).await["scope"], "vkid.personal_info");
    let page = order("/control/switch", ("value", "drop-rights")).await;
    assert!(page.contains("Включить молча выдавать только vkid.personal_info (выключено)"), "{page}");

    let page = order("/control/change-address", ("value", "")).await;
    assert!(page.contains("сейчас № 1"), "{page}");
    assert_eq!(application.owner(&tokens).await, Err(5));
    let page = order("/control/lose-answers", ("value", "2")).await;
    assert!(page.contains("осталось потерять: 2"), "{page}");
    assert!(application.try_refresh(&tokens, &[]).await.is_err());
    assert!(application.try_refresh(&tokens, &[]).await.is_err());
    let page = order("/control/revoke", ("account", &ANNA.to_string())).await;
    assert!(page.contains("Повторно предъявленных токенов обновления: 1"), "{page}");
    assert!(page.contains("действующих токенов: 0"), "{page}");
}

#[tokio::test]
async fn the_stack_keeps_the_service_token_as_a_secret() {
    let test = TestStack::start().await;
    let secret = test.stack.aws().secret("local/vk-service-token").unwrap();
    let secret: Value = serde_json::from_str(&secret).unwrap();
    let url = format!("{}/id/oauth2/auth", test.stack.vk().url());
    for (token, expected) in
        [("another", "service_token is missing or invalid"), (text(&secret, "VK_SERVICE_TOKEN"), DEAD)]
    {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "7000001"),
            ("state", STATE),
            ("service_token", token),
        ];
        let answer = reqwest::Client::new().post(&url).form(&fields).send().await.unwrap();
        assert_eq!(error(&answer.json().await.unwrap()).1, expected);
    }
}
