//! Connecting under VK ID: the same journeys as under the classic flow, and what only VK ID can do.

use std::path::Path;

use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use url::Url;

use crate::support::{ANNA, IVAN, LAVKA, Merchant, ROMASHKA, TestStack, logged, start_log, text};

async fn signed_in() -> (TestStack, Merchant) {
    let test = TestStack::with_parameters([("VkFlow", "vk_id")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    (test, merchant)
}

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn sent_to(test: &TestStack, merchant: &Merchant) -> String {
    merchant.browser.open_without_following(&test.url("/vk/connect")).await.location()
}

#[tokio::test]
async fn connecting_sends_the_person_to_vk_id_with_the_documented_parameters() {
    let (test, merchant) = signed_in().await;
    let sent = sent_to(&test, &merchant).await;
    let url = Url::parse(&sent).unwrap();
    assert_eq!(
        format!("{}{}", url.origin().ascii_serialization(), url.path()),
        test.stack.vk().url() + "/id/authorize"
    );
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        names,
        [
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method"
        ]
    );
    assert_eq!(parameter(&sent, "scope"), "groups market offline");
    assert_eq!(parameter(&sent, "code_challenge_method"), "S256");
    assert_eq!(parameter(&sent, "code_challenge").len(), 43);
    assert_eq!(parameter(&sent, "redirect_uri"), test.url("/vk/callback"));
}

#[tokio::test]
async fn each_attempt_has_a_challenge_of_its_own() {
    let (test, merchant) = signed_in().await;
    let challenge = async || parameter(&sent_to(&test, &merchant).await, "code_challenge");
    assert_ne!(challenge().await, challenge().await);
}

#[tokio::test]
async fn an_account_is_connected_shown_checked_and_disconnected() {
    let (test, merchant) = TestStack::connected_by_vk_id().await;
    let page = merchant.open("/vk").await.text();
    assert!(page.contains("Подключено") && page.contains("Анна Смирнова"), "{page}");
    let row = test.connections().row().await;
    assert_eq!(text(&row, "scopes"), "groups market offline vkid.personal_info");
    assert!(row.contains_key("access_expires_at") && !row.contains_key("token_expires_at"));
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1);
    assert_eq!(merchant.disconnect().await.path(), "/vk");
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_callback_in_one_payload_is_read() {
    let (test, merchant) = signed_in().await;
    test.stack.vk().set_switch(Switch::Payload, true);
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    assert!(callback.contains("payload=") && !callback.contains("&state="), "{callback}");
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    let twice = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(twice.path(), "/connections", "a replay is answered calmly");
    assert_eq!(test.connections().rows().await.len(), 1);
}

#[tokio::test]
async fn a_field_that_comes_twice_or_not_at_all_is_no_answer() {
    let (test, merchant) = signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    let state = parameter(&callback, "state");
    let mut packed = Url::parse(&test.url("/vk/callback")).unwrap();
    let payload = format!(r#"{{"code":"c","state":"{state}","state":"{state}","device_id":"d"}}"#);
    packed.query_pairs_mut().append_pair("payload", &payload);
    let both = format!(r#"{{"code":"c","state":"{state}","device_id":"d"}}"#);
    let mut mixed = Url::parse(&callback).unwrap();
    mixed.query_pairs_mut().append_pair("payload", &both);
    let device = parameter(&callback, "device_id");
    for url in [
        callback.replace("device_id=", "device="),
        format!("{callback}&device_id={device}"),
        callback.replace(&device, &"d".repeat(513)),
        packed.into(),
        mixed.into(),
        test.url("/vk/callback?payload=%7B"),
        test.url("/vk/callback?payload=7"),
    ] {
        let page = merchant.browser.come_from_elsewhere(&url).await;
        assert_eq!(page.path(), "/vk?error=invalid_state", "{url}");
    }
    assert!(test.stack.vk().take_calls().is_empty(), "VK is not asked");
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
}

#[tokio::test]
async fn another_sessions_code_is_not_exchanged() {
    let (test, merchant) = signed_in().await;
    let consent = merchant.start_connecting().await;
    let stolen = merchant.allow(&consent, IVAN).await;
    let consent = merchant.start_connecting().await;
    let own = merchant.allow(&consent, ANNA).await;
    // Another attempt's code under one's own state: the verifier is not the one it was asked for with.
    let injected = own
        .replace(&parameter(&own, "code"), &parameter(&stolen, "code"))
        .replace(&parameter(&own, "device_id"), &parameter(&stolen, "device_id"));
    let page = merchant.browser.come_from_elsewhere(&injected).await;
    assert_eq!(page.path(), "/vk?error=token_exchange");
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_refusal_is_explained() {
    let (_test, merchant) = signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.refuse(&consent).await;
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=access_denied");
}

#[tokio::test]
async fn rights_that_vk_drops_without_a_word_are_missed_and_nothing_is_saved() {
    let (test, merchant) = TestStack::connected_by_vk_id().await;
    let before = test.connections().row().await;
    test.stack.vk().set_switch(Switch::DropRights, true);
    let page = merchant.connect(IVAN).await;
    assert_eq!(page.path(), "/vk?error=permission_missing");
    assert!(page.text().contains("Не хватает разрешений"));
    assert_eq!(test.connections().row().await, before, "the connection that was there stays");
    let paths: Vec<_> = test.stack.vk().take_calls().into_iter().map(|call| call.path).collect();
    assert!(paths.contains(&"/id/oauth2/logout".to_owned()), "what is not used is given back: {paths:?}");
}

#[tokio::test]
async fn vk_id_is_called_with_everything_in_the_form_body() {
    let (test, _merchant) = TestStack::connected_by_vk_id().await;
    let calls = test.stack.vk().take_calls();
    let exchange = calls.iter().find(|call| call.path == "/id/oauth2/auth").unwrap();
    assert_eq!((exchange.http_method.as_str(), exchange.query.as_str()), ("POST", ""));
    assert!(!calls.iter().any(|call| call.path == "/method/account.getAppPermissions"), "no probe here");
}

#[tokio::test]
async fn a_service_token_that_was_changed_is_read_again() {
    let (test, merchant) = signed_in().await;
    test.stack.vk().set_service_token("another");
    test.stack.aws().put_secret("local/vk-service-token", r#"{"VK_SERVICE_TOKEN":"another"}"#);
    assert_eq!(merchant.connect(ANNA).await.path(), "/connections");
    test.stack.vk().set_service_token("a third");
    assert_eq!(merchant.connect(ANNA).await.path(), "/vk?error=app_rejected");
}

#[tokio::test]
async fn outages_of_vk_id_are_explained_and_save_nothing() {
    for (fault, code) in [
        (Fault::Down, "provider_unavailable"),
        (Fault::Maintenance, "provider_unavailable"),
        (Fault::Garbled, "provider_unavailable"),
        (Fault::Challenge, "provider_unavailable"),
    ] {
        let (test, merchant) = signed_in().await;
        let consent = merchant.start_connecting().await;
        let callback = merchant.allow(&consent, ANNA).await;
        test.stack.vk().set_fault(fault);
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        assert_eq!(page.path(), format!("/vk?error={code}"), "{fault:?}");
        assert!(test.connections().rows().await.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn connections_of_both_flows_live_side_by_side_and_survive_a_switch() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("both-flows");
    let _ = std::fs::remove_dir_all(&folder);
    {
        let test = TestStack::kept_in(&folder, [("VkFlow", "vk_id")]).await;
        test.merchant(ROMASHKA).await.connect(ANNA).await;
    }
    let test = TestStack::kept_in(&folder, [("VkFlow", "classic")]).await;
    test.merchant(LAVKA).await.connect(IVAN).await;
    assert_eq!(test.connections().rows().await.len(), 2);
    test.clock.advance(SignedDuration::from_hours(13));
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["alive"], &summary["dead"]), (&2.into(), &0.into()), "{summary}");
    let renewals = test.stack.vk().take_calls().into_iter().filter(|call| call.path == "/id/oauth2/auth");
    assert_eq!(renewals.count(), 1, "VK ID's is renewed under the classic setting");
    for (person, name) in [(ROMASHKA, "Анна Смирнова"), (LAVKA, "Иван Петров")] {
        let page = test.merchant(person).await.dashboard().await;
        assert!(page.contains("Подключено") && page.contains(name), "{page}");
    }
}

#[tokio::test]
async fn nothing_of_vk_id_is_logged() {
    start_log();
    let (test, merchant) = TestStack::connected_by_vk_id().await;
    test.stack.vk().lose_answers(1);
    merchant.connect(IVAN).await;
    let log = logged();
    let vk = test.stack.vk();
    for secret in vk.tokens().into_iter().chain(vk.refresh_tokens()) {
        assert!(!log.contains(&secret));
    }
    let service_token = test.stack.aws().secret("local/vk-service-token").unwrap();
    let value: serde_json::Value = serde_json::from_str(&service_token).unwrap();
    assert!(!log.contains(value["VK_SERVICE_TOKEN"].as_str().unwrap()));
    assert!(!log.contains("code_verifier") && !log.contains("device_id"));
}
