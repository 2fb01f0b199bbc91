//! A provider is what its folder says and nothing else: another one in VK's place, under VK's key and
//! routes, walks through the real functions.

use std::sync::Arc;

use evosync_connections::domain::{Liveness, Unknown};
use jiff::SignedDuration;
use url::Url;

use crate::fair::{Fair, Nothing, REVOKED};
use crate::support::{Merchant, Page, ROMASHKA, TestStack, text};

async fn start() -> (TestStack, Fair, Merchant) {
    let fair = std::sync::OnceLock::new();
    let test = TestStack::with_registry(|clock| {
        let registry = fair.get_or_init(|| Fair::new(clock));
        Arc::new(registry.clone())
    })
    .await;
    let merchant = test.merchant(ROMASHKA).await;
    (test, fair.into_inner().unwrap(), merchant)
}

/// Goes to the fair and comes back with what `payload` makes of the ticket.
async fn visit(test: &TestStack, merchant: &Merchant, place: &str) -> Page {
    let sent = merchant.browser.open_without_following(&test.url("/vk/connect")).await.location();
    let sent = Url::parse(&sent).unwrap();
    assert_eq!(sent.host_str(), Some("fair.example"));
    let (_, ticket) = sent.query_pairs().find(|(name, _)| name == "ticket").unwrap();
    let payload = serde_json::json!({ "ticket": ticket, "place": place }).to_string();
    let mut back = Url::parse(&test.url("/vk/callback")).unwrap();
    back.query_pairs_mut().append_pair("payload", &payload);
    merchant.browser.come_from_elsewhere(back.as_str()).await
}

#[tokio::test]
async fn another_provider_in_vks_place_is_connected_shown_swept_and_disconnected() {
    let (test, fair, merchant) = start().await;
    let page = merchant.open("/vk").await.text();
    assert!(page.contains("Займите место на ярмарке.") && page.contains("Занять место"), "{page}");
    assert!(!page.contains("ВКонтакте"), "{page}");

    let page = visit(&test, &merchant, "17").await;
    assert_eq!(page.path(), "/connections");
    assert!(page.text().contains("Ярмарка Подключено Пётр Ярмаркин 17"), "{}", page.text());
    let page = merchant.open("/vk").await.text();
    assert!(page.contains("Номер места 17") && page.contains("Освободить место"), "{page}");

    let summary = test.stack.sweep().await.unwrap();
    assert_eq!(summary["alive"], 1);
    assert_eq!(*fair.asked.lock().unwrap(), ["fair-token fair-renewal 17"]);

    *fair.answer.lock().unwrap() = REVOKED;
    test.stack.sweep().await.unwrap();
    let page = merchant.open("/vk").await.text();
    assert!(page.contains("Место потеряно token_rejected"), "{page}");

    visit(&test, &merchant, "18").await;
    assert!(merchant.dashboard().await.contains("Подключено"));
    let page = merchant.disconnect().await;
    assert_eq!(page.path(), "/vk");
    assert!(page.text().contains("Занять место") && test.connections().rows().await.is_empty());
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(*fair.revoked.lock().unwrap(), ["fair-token"]);
    assert!(test.stack.vk().take_calls().is_empty(), "nobody asked VK");
}

#[tokio::test]
async fn its_own_errors_have_its_own_words() {
    let (test, _, merchant) = start().await;
    let page = visit(&test, &merchant, "full").await;
    assert_eq!(page.path(), "/vk?error=account_unavailable");
    assert!(page.text().contains("Место не занято account_unavailable"), "{}", page.text());
}

#[tokio::test]
async fn a_lapsed_token_that_can_be_renewed_turns_nobody_red() {
    let (test, fair, merchant) = start().await;
    visit(&test, &merchant, "17").await;
    assert!(test.connections().row().await.contains_key("access_expires_at"));
    assert!(!test.connections().row().await.contains_key("token_expires_at"));
    // A day has the session's end; half a day and three sweeps are the last proof's.
    test.clock.advance(SignedDuration::from_mins(12 * 60 + 46));
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.dashboard().await.contains("Проверка задерживается"), "amber, for nobody asked");
    test.stack.sweep().await.unwrap();
    assert_eq!(fair.asked.lock().unwrap().len(), 1, "the provider decides, not the clock");
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_transient_fault_is_asked_about_three_times_and_changes_nothing() {
    let (test, fair, merchant) = start().await;
    visit(&test, &merchant, "17").await;
    *fair.answer.lock().unwrap() = Liveness::Unknown(Unknown::Transient);
    assert_eq!(test.stack.sweep().await.unwrap()["transient"], 1);
    assert_eq!(fair.asked.lock().unwrap().len(), 3);
    assert_eq!(text(&test.connections().row().await, "last_attempt_result"), "transient");
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_provider_that_is_not_configured_is_not_there() {
    let test = TestStack::with_registry(|_| Arc::new(Nothing)).await;
    let merchant = test.merchant(ROMASHKA).await;
    for path in ["/vk", "/vk/connect", "/vk/callback?code=c"] {
        assert_eq!(merchant.open(path).await.status, 404, "{path}");
    }
    let dashboard = merchant.dashboard().await;
    assert!(dashboard.contains("Подключения") && !dashboard.contains("ВКонтакте"), "{dashboard}");
    assert_eq!(test.stack.sweep().await.unwrap()["finished"], true);
}
