//! What pages tell a person beyond the state: who helps, what was just done, what comes of pressing a button.

use jiff::SignedDuration;

use crate::support::{ANNA, Merchant, Page, ROMASHKA, TestStack, logged, start_log};

/// A stack whose pages know where its support is, and a person at it.
async fn with_support() -> (TestStack, Merchant) {
    let test = TestStack::with_parameters([("SupportUrl", "mailto:help@shop.example")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    (test, merchant)
}

/// The right to goods, as VK numbers it.
const MARKET: u32 = 1 << 27;

/// The reference that a page asks to quote.
fn reference(page: &Page) -> String {
    let (_, after) = page.body.split_once("<code class=\"text-break\">").expect("a reference to quote");
    after.split('<').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_error_that_support_may_have_to_mend_says_where_and_quotes_the_request_that_failed() {
    start_log();
    let (test, merchant) = with_support().await;
    let consent = merchant.browser.open_without_following(&test.url("/vk/connect")).await.location();
    let state = consent.split("state=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let failed = format!("/vk/callback?error=server_error&state={state}");
    let page = merchant.browser.come_from_elsewhere(&test.url(&failed)).await;
    assert_eq!(page.path(), "/vk?error=provider_error");
    assert!(
        page.body.contains("<a href=\"mailto:help@shop.example\">напишите в поддержку</a>"),
        "{}",
        page.body
    );
    let reference = reference(&page);
    let failed = logged().lines().any(|line| line.contains(&reference) && line.contains("not connected"));
    assert!(failed, "no log line of the failure has {reference}");
}

#[tokio::test]
async fn an_error_that_the_person_can_mend_sends_nobody_to_support() {
    let (_test, merchant) = with_support().await;
    let page = merchant.open("/vk?error=access_denied").await;
    assert!(!page.text().contains("поддержк") && !page.body.contains("mailto:"), "{}", page.body);
}

#[tokio::test]
async fn without_an_address_the_page_names_the_support_and_the_reference_all_the_same() {
    let (_test, merchant) = TestStack::signed_in().await;
    let page = merchant.open("/vk?error=provider_error").await;
    assert!(page.text().contains("обратитесь в поддержку EvoSync и укажите код:"), "{}", page.text());
    assert!(!reference(&page).is_empty());
}

#[tokio::test]
async fn a_forged_reference_is_not_shown() {
    let (_test, merchant) = with_support().await;
    for forged in ["<script>", "a b", &"a".repeat(65), "канарейка"] {
        merchant.browser.set_cookie("reference", forged);
        let page = merchant.open("/vk?error=provider_error").await;
        assert!(!page.body.contains(forged) && !reference(&page).is_empty(), "{forged}");
    }
}

#[tokio::test]
async fn what_is_no_failure_of_a_request_quotes_this_one() {
    let (test, merchant) = with_support().await;
    merchant.connect(ANNA).await;
    test.stack.vk().withdraw_right(ANNA, MARKET);
    test.clock.advance(SignedDuration::from_hours(24));
    test.stack.sweep().await.unwrap();
    let merchant = test.merchant(ROMASHKA).await;
    merchant.browser.set_cookie("reference", "an-earlier-one");
    let page = merchant.open("/vk").await;
    assert!(page.text().contains("Не хватает разрешений"), "{}", page.text());
    assert!(!page.body.contains("an-earlier-one") && !reference(&page).is_empty());
    assert!(merchant.open("/vk?error=provider_error").await.body.contains("an-earlier-one"));
}

#[tokio::test]
async fn a_failure_of_ours_says_where_support_is() {
    let (test, merchant) = with_support().await;
    test.stack.aws().calls().break_operation("BatchGetItem");
    let page = merchant.open("/vk").await;
    assert_eq!(page.status, 503);
    assert!(!reference(&page).is_empty());
}

#[tokio::test]
async fn connecting_the_same_account_again_says_so() {
    let (_test, merchant) = TestStack::connected().await;
    let page = merchant.connect(ANNA).await;
    assert!(page.text().contains("Переподключено: ВКонтакте — Анна Смирнова ."), "{}", page.text());
}

#[tokio::test]
async fn disconnecting_is_asked_once_and_says_what_comes_of_it() {
    let (_test, merchant) = TestStack::connected().await;
    let page = merchant.open("/vk").await;
    assert!(
        page.body
            .contains("type=\"button\" popovertarget=\"disconnect\">Отключить аккаунт ВКонтакте</button>")
    );
    for words in [
        "Отключить аккаунт ВКонтакте?",
        "Товары в группе останутся, но перестанут обновляться.",
        "Да, отключить",
        "Не отключать",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test]
async fn vk_asks_for_consent_each_time_unless_configured_otherwise() {
    for (consent, asks) in [("always", true), ("once", false)] {
        let test = TestStack::with_parameters([("VkConsent", consent)]).await;
        let merchant = test.merchant(ROMASHKA).await;
        let answer = merchant.browser.open_without_following(&test.url("/vk/connect")).await;
        assert_eq!(answer.location().contains("revoke=1"), asks, "{consent}");
    }
}
