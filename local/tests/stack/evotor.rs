//! Evotor, the second provider: connecting with and without a state that comes back, what its pages say, and
//! that a provider which is not named in `PROVIDERS` is not there at all.

use local::evotor::{Fault, HOSTILE, NEWCOMER, ROMASHKA as ROMASHKA_SHOP, SMIRNOVA};
use serde_json::json;
use url::Url;

use crate::leaks::own_lines;
use crate::support::{ANNA, LAVKA, Merchant, Page, ROMASHKA, TestStack, logged, start_log, text};

pub(crate) const BOTH: [(&str, &str); 1] = [("Providers", "evotor,vk")];

/// A stack with both providers, where Maria has signed in.
pub(crate) async fn start() -> (TestStack, Merchant) {
    start_with(BOTH).await
}

async fn start_with<const N: usize>(parameters: [(&str, &str); N]) -> (TestStack, Merchant) {
    let test = TestStack::with_parameters(parameters).await;
    let merchant = test.merchant(ROMASHKA).await;
    (test, merchant)
}

/// Goes to Evotor and allows; the address it sends the browser back to.
async fn allowed(test: &TestStack, merchant: &Merchant, account: u64) -> String {
    let consent = merchant.browser.follow(&test.url("/evotor/connect")).await;
    merchant.allow(&consent, account).await
}

/// Connects an account from beginning to end; the page it ends on.
pub(crate) async fn connect(test: &TestStack, merchant: &Merchant, account: u64) -> Page {
    let callback = allowed(test, merchant, account).await;
    merchant.browser.come_from_elsewhere(&callback).await
}

fn paths(test: &TestStack) -> Vec<String> {
    test.stack.evotor().take_calls().into_iter().map(|call| call.path).collect()
}

fn has_state(address: &str) -> bool {
    Url::parse(address).unwrap().query_pairs().any(|(name, _)| name == "state")
}

#[tokio::test]
async fn an_account_is_connected_shown_by_its_shops_and_disconnected() {
    let (test, merchant) = start().await;
    let page = merchant.open("/evotor").await.text();
    for part in ["Эвотор", "каталог товаров ваших магазинов", "Подключить Эвотор", "Вернуться к подключениям"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = connect(&test, &merchant, SMIRNOVA).await;
    assert_eq!(page.path(), "/connections");
    assert!(page.text().contains("2 магазина: Лавка на Мира, Склад"), "{}", page.text());
    assert!(page.text().contains("Товары не синхронизируются: подключите ВКонтакте."), "{}", page.text());
    let row = test.connections().row().await;
    assert_eq!(
        (text(&row, "provider"), text(&row, "first_name"), text(&row, "last_name")),
        ("evotor", "Лавка на Мира, Склад", "2"),
        "in no language"
    );
    assert!(!text(&row, "evotor_user_id").is_empty() && !row.contains_key("vk_user_id"));
    assert!(!row.contains_key("token_expires_at"), "a token that can be renewed ends no connection");
    assert_eq!(text(&row, "access_expires_at"), "2026-11-29T04:16:00Z", "after seven days");

    let page = merchant.open("/evotor").await;
    for part in ["Подключено", "Магазины 2 магазина: Лавка на Мира, Склад", "Отключить аккаунт Эвотор"]
    {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let page = merchant.browser.submit(page.form("/evotor/disconnect")).await;
    assert_eq!(page.path(), "/evotor");
    assert!(page.text().contains("Подключить Эвотор") && test.connections().rows().await.is_empty());
    paths(&test);
    test.stack.deliver_changes().await.unwrap();
    assert!(paths(&test).is_empty(), "Evotor has nothing that ends a token");
}

#[tokio::test]
async fn goods_wait_for_both_providers_and_the_dashboard_says_for_which() {
    let (test, merchant) = start().await;
    let needed = async || merchant.dashboard().await;
    assert!(needed().await.contains("Товары не синхронизируются: подключите Эвотор и ВКонтакте."));
    let page = merchant.connect(ANNA).await.text();
    assert!(page.contains("Подключено: ВКонтакте — Анна Смирнова") && !page.contains("Дальше всё"), "{page}");
    assert!(needed().await.contains("Товары не синхронизируются: подключите Эвотор."));
    let page = connect(&test, &merchant, SMIRNOVA).await.text();
    assert!(page.contains("Дальше всё настроится автоматически."), "{page}");
    assert!(!needed().await.contains("не синхронизируются"));
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    assert!(needed().await.contains("Товары не синхронизируются: переподключите ВКонтакте."));
}

#[tokio::test]
async fn without_a_state_the_browsers_own_binds_the_answer_once() {
    start_log();
    let (test, merchant) = start().await;
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    assert!(!has_state(&callback), "{callback}");
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    assert!(logged().contains("the state did not come back"));

    assert_eq!(paths(&test).iter().filter(|path| *path == "/oauth/token").count(), 1);
    let again = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(again.path(), "/connections", "a repetition is answered like the first");
    let another = callback.replace("code=", "code=0");
    let page = merchant.browser.come_from_elsewhere(&another).await;
    assert_eq!(page.path(), "/evotor?error=attempt_used");
    assert!(paths(&test).is_empty(), "nobody asks Evotor about a second answer");
}

#[tokio::test]
async fn without_an_attempt_of_the_browsers_own_a_code_is_nobodys() {
    let (test, merchant) = start().await;
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    paths(&test);
    let other = test.merchant(LAVKA).await;
    let page = other.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/evotor?error=invalid_state", "in a browser that never went to Evotor");

    let kept = merchant.browser.cookie("state").unwrap();
    other.browser.set_cookie("state", &kept);
    let page = other.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/evotor?error=invalid_state", "nor with a state of another's session");

    let consent = merchant.start_connecting().await;
    let vk_state = Url::parse(&merchant.allow(&consent, ANNA).await).unwrap();
    let (_, vk_state) = vk_state.query_pairs().find(|(name, _)| name == "state").unwrap();
    merchant.browser.set_cookie("state", &vk_state);
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/evotor?error=invalid_state", "nor with one of an attempt at VK (mix-up)");
    assert!(paths(&test).is_empty() && test.connections().rows().await.is_empty());

    merchant.browser.set_cookie("state", &kept);
    test.clock.advance(jiff::SignedDuration::from_mins(11));
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/evotor?error=attempt_expired", "nor later than ten minutes");
    assert!(paths(&test).is_empty());
}

#[tokio::test]
async fn a_state_that_comes_back_counts_and_not_the_browsers() {
    let (test, merchant) = start().await;
    test.stack.evotor().echo_state(true);
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    assert!(has_state(&callback), "{callback}");
    allowed(&test, &merchant, ROMASHKA_SHOP).await;
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/connections", "a second tab does not disturb the first");
    assert!(page.text().contains("2 магазина"), "{}", page.text());

    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    let code = callback.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap();
    for state in ["state=", "state=forged", &format!("state={}", "A".repeat(43)), "state=a&state=a"] {
        let forged = test.url(&format!("/evotor/callback?{code}&{state}"));
        let page = merchant.browser.come_from_elsewhere(&forged).await;
        assert_eq!(page.path(), "/evotor?error=invalid_state", "{state}");
    }
}

#[tokio::test]
async fn where_the_state_is_required_an_answer_without_it_is_refused() {
    let (test, merchant) = start_with([("Providers", "evotor,vk"), ("EvotorState", "required")]).await;
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    assert_eq!(merchant.browser.cookie("state"), None, "and no cookie is set");
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/evotor?error=invalid_state");
    test.stack.evotor().echo_state(true);
    assert_eq!(connect(&test, &merchant, SMIRNOVA).await.path(), "/connections");
}

#[tokio::test]
async fn vk_keeps_no_state_in_the_browser_and_takes_none_from_it() {
    let (test, merchant) = start().await;
    let consent = merchant.start_connecting().await;
    assert_eq!(merchant.browser.cookie("state"), None);
    let callback = merchant.allow(&consent, ANNA).await;
    let (code, state) = callback.split_once("&state=").unwrap();
    merchant.browser.set_cookie("state", state);
    let page = merchant.browser.come_from_elsewhere(code).await;
    assert_eq!(page.path(), "/vk?error=invalid_state");
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn the_callback_is_found_with_a_slash_after_it_too() {
    let (test, merchant) = start().await;
    let callback = allowed(&test, &merchant, SMIRNOVA).await.replace("/callback?", "/callback/?");
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    for path in ["/evotor/callback/more?code=c", "/evotor/callback/vk/callback?code=c"] {
        assert_eq!(merchant.open(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_browser_that_withholds_its_cookies_is_sent_round_once() {
    let (test, merchant) = start().await;
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    let first = test.browser().come_from_elsewhere_without_following(&callback).await;
    assert_eq!(first.location(), format!("{callback}&again=1"));
    assert_eq!(merchant.browser.open(&first.location()).await.path(), "/connections");
    let second = test.browser().open_without_following(&first.location()).await;
    assert_eq!(second.location(), test.url("/evotor?error=session_expired"));
}

#[tokio::test]
async fn what_goes_wrong_at_evotor_is_said_in_its_words() {
    let (test, merchant) = start().await;
    let evotor = test.stack.evotor();
    let consent = merchant.browser.follow(&test.url("/evotor/connect")).await;
    let refused = merchant.refuse(&consent).await;
    let page = merchant.browser.come_from_elsewhere(&refused).await;
    assert_eq!(page.path(), "/evotor?error=access_denied");
    assert!(page.text().contains("отменено на странице Эвотора"), "{}", page.text());

    for (fault, code) in [
        (Fault::Down, "provider_unavailable"),
        (Fault::Maintenance, "provider_unavailable"),
        (Fault::RateLimited, "provider_unavailable"),
        (Fault::Garbled, "provider_unavailable"),
        (Fault::Redirecting, "provider_unavailable"),
    ] {
        let callback = allowed(&test, &merchant, SMIRNOVA).await;
        evotor.set_fault(fault);
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        assert_eq!(page.path(), format!("/evotor?error={code}"), "{fault:?}");
        evotor.set_fault(Fault::None);
    }

    evotor.forbid(SMIRNOVA, true);
    let page = connect(&test, &merchant, SMIRNOVA).await;
    assert_eq!(page.path(), "/evotor?error=permission_missing");
    assert!(page.text().contains("разрешите доступ к магазинам"), "{}", page.text());
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn an_account_without_shops_and_one_with_hostile_names_are_shown_as_they_are() {
    let (test, merchant) = start().await;
    let page = connect(&test, &merchant, NEWCOMER).await;
    assert!(page.text().contains("Магазинов пока нет"), "{}", page.text());
    let page = connect(&test, &merchant, HOSTILE).await;
    assert_eq!(page.path(), "/connections");
    assert!(!page.body.contains("<b>"), "{}", page.body);
    let row = test.connections().row().await;
    assert!(text(&row, "first_name").chars().count() <= 100);
}

#[tokio::test]
async fn a_changed_client_secret_is_read_again_and_a_wrong_one_is_our_fault() {
    let (test, merchant) = start().await;
    test.stack.evotor().set_client_secret("rotated: 100 % ё");
    let callback = allowed(&test, &merchant, SMIRNOVA).await;
    test.stack.aws().put_secret(
        "local/evotor-client-secret",
        &json!({ "EVOTOR_CLIENT_SECRET": "rotated: 100 % ё" }).to_string(),
    );
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    test.stack.evotor().set_client_secret("another");
    let page = connect(&test, &merchant, SMIRNOVA).await;
    assert_eq!(page.path(), "/evotor?error=app_rejected");
    assert!(merchant.dashboard().await.contains("2 магазина"), "the connection that there was stays");
}

#[tokio::test]
async fn no_log_line_holds_a_secret_of_evotors() {
    start_log();
    let (test, merchant) = start().await;
    let mut secrets = vec![];
    for fault in [Fault::None, Fault::Down, Fault::Garbled, Fault::RateLimited, Fault::Redirecting] {
        let callback = allowed(&test, &merchant, SMIRNOVA).await;
        let code = Url::parse(&callback).unwrap();
        secrets.extend(code.query_pairs().map(|(_, value)| value.into_owned()));
        secrets.extend(merchant.browser.cookie("state"));
        test.stack.evotor().set_fault(fault);
        merchant.browser.come_from_elsewhere(&callback).await;
        test.stack.sweep().await.unwrap();
        test.stack.evotor().set_fault(Fault::None);
    }
    test.clock.advance(jiff::SignedDuration::from_hours(24 * 8));
    test.stack.sweep().await.unwrap();
    secrets.extend(test.stack.evotor().access_tokens());
    secrets.extend(test.stack.evotor().refresh_tokens());
    let secret = test.stack.aws().secret("local/evotor-client-secret").unwrap();
    secrets.extend(secret.split('"').filter(|part| part.len() > 20).map(str::to_owned));
    assert!(secrets.len() >= 14, "{}", secrets.len());
    let logged = own_lines(&logged());
    for secret in &secrets {
        assert!(!logged.contains(secret.as_str()), "a secret of {} characters is in the log", secret.len());
    }
}

#[tokio::test]
async fn a_provider_that_is_not_named_is_not_there_at_all() {
    let (test, merchant) = start().await;
    connect(&test, &merchant, SMIRNOVA).await;
    let row = test.connections().row().await;

    let (test, merchant) = start_with([("Providers", "vk")]).await;
    test.connections().put(row.clone()).await;
    for path in ["/evotor", "/evotor/connect", "/evotor/callback?code=c", "/evotor/callback/?code=c"] {
        let page = merchant.open(path).await;
        assert_eq!(page.status, 404, "{path}");
        let told = |page: Page| page.text().split(" Код для поддержки").next().unwrap().to_owned();
        assert_eq!(told(page), told(merchant.open("/nowhere").await), "{path}");
    }
    let page = merchant.open("/vk").await;
    merchant.connect(ANNA).await;
    let disconnect = merchant.open("/vk").await.form("/vk/disconnect").to("/evotor/disconnect");
    assert_eq!(merchant.browser.submit(disconnect).await.status, 404);
    assert!(!page.text().contains("evotor") && !merchant.dashboard().await.contains("магазин"));
    assert!(!merchant.dashboard().await.contains("не синхронизируются"));

    test.clock.advance(jiff::SignedDuration::from_hours(24 * 8));
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["alive"], &summary["finished"]), (&json!(1), &json!(true)), "VK's alone");
    let token =
        test.stack.invoke("token", &json!({ "user_id": ROMASHKA, "provider": "evotor" })).await.unwrap();
    assert_eq!(token["error"], "bad_request");
    assert!(test.stack.evotor().take_calls().is_empty(), "nobody asks Evotor");
    let rows = test.connections().rows().await;
    assert!(rows.contains(&row), "its rows are left alone");
}

#[tokio::test]
async fn evotor_may_be_the_only_provider() {
    let (test, merchant) = start_with([("Providers", "evotor"), ("VkClientId", "")]).await;
    assert_eq!(merchant.open("/vk").await.status, 404);
    let page = connect(&test, &merchant, SMIRNOVA).await;
    assert!(page.text().contains("2 магазина") && !page.text().contains("ВКонтакте"), "{}", page.text());
    assert!(!page.text().contains("не синхронизируются"), "{}", page.text());
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1);
}
