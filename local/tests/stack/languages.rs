//! The language of the pages: what the browser prefers, or what the person has chosen.

use crate::support::{ANNA, Page, ROMASHKA, TestStack, text};

/// Where the link to the other language leads.
fn other_language(page: &Page) -> String {
    let link =
        page.links().into_iter().find(|link| link.contains("lang=")).expect("a link to the other language");
    page.url.join(&link).expect("the link leads somewhere").into()
}

#[tokio::test]
async fn pages_are_in_the_language_that_the_browser_prefers() {
    let (_test, merchant) = TestStack::connected().await;
    merchant.browser.prefer("en-GB,en;q=0.9,ru;q=0.5");
    for (path, words) in [
        ("/connections", "Connections"),
        ("/vk", "Disconnect VK account"),
        ("/vk?error=access_denied", "Access was not allowed"),
        ("/vk?error=zzz", "We couldn't connect the account"),
        ("/vk?error=%FF", "We couldn't open this page"),
        ("/nope", "Page not found"),
    ] {
        let page = merchant.open(path).await;
        assert!(page.body.contains("<html lang=\"en\">"), "{path}: {}", page.body);
        assert!(page.text().contains(words), "{path}: {}", page.text());
        assert!(!page.text().contains("ключ"), "{path}: {}", page.text());
        assert_eq!(page.header("vary"), "Accept-Language, Cookie", "{path}");
    }
    assert!(merchant.sign_out().await.text().contains("You've signed out of EvoSync"));
}

#[tokio::test]
async fn pages_are_in_russian_for_browsers_that_prefer_neither_language() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert!(merchant.open("/connections").await.body.contains("<html lang=\"ru\">"));
    merchant.browser.prefer("de-DE,de;q=0.9,*;q=0.1");
    let page = merchant.open("/connections").await;
    assert!(page.body.contains("<html lang=\"ru\">") && page.text().contains("Подключения"));
}

#[tokio::test]
async fn a_language_once_chosen_stays_whatever_the_browser_prefers() {
    let (_test, merchant) = TestStack::signed_in().await;
    merchant.browser.prefer("ru");
    let russian = merchant.open("/vk").await;
    let english = merchant.browser.follow(&other_language(&russian)).await;
    assert_eq!(english.path(), "/vk?lang=en");
    assert!(english.text().contains("Connect VK"), "{}", english.text());
    for path in ["/connections", "/vk", "/nope"] {
        assert!(merchant.open(path).await.body.contains("<html lang=\"en\">"), "{path}");
    }
    assert!(merchant.sign_out().await.text().contains("You've signed out of EvoSync"));
    assert_eq!(merchant.browser.cookie("language").as_deref(), Some("en"));
    let back = merchant.open("/nope?lang=ru").await;
    assert!(back.body.contains("<html lang=\"ru\">"));
    assert!(merchant.open("/nope").await.body.contains("<html lang=\"ru\">"));
}

#[tokio::test]
async fn a_person_who_must_sign_in_first_keeps_the_language_just_chosen() {
    let test = TestStack::start().await;
    let browser = test.browser();
    let page = browser.open_without_following(&test.url("/connections?lang=en")).await;
    assert_eq!(page.status, 303);
    assert_eq!(browser.cookie("language").as_deref(), Some("en"));
}

#[tokio::test]
async fn the_other_language_says_the_same_error() {
    let (_test, merchant) = TestStack::signed_in().await;
    let russian = merchant.open("/vk?error=attempt_expired").await;
    let english = merchant.browser.follow(&other_language(&russian)).await;
    assert!(english.text().contains("You ran out of time"), "{}", english.text());
    let unknown = merchant.open("/vk?error=%22%3E%3Cscript%3E").await;
    assert!(!unknown.body.contains("script"), "{}", unknown.body);
}

#[tokio::test]
async fn a_language_that_there_is_not_changes_nothing() {
    let (_test, merchant) = TestStack::signed_in().await;
    for forged in ["de", "EN", "en&lang=en", "%3Cb%3E", ""] {
        let page = merchant.open(&format!("/vk?lang={forged}")).await;
        assert!(page.status == 200 && page.body.contains("<html lang=\"ru\">"), "{forged}: {}", page.body);
        assert_eq!(merchant.browser.cookie("language"), None, "{forged}");
    }
    merchant.browser.set_cookie("language", "<script>");
    assert!(merchant.open("/vk").await.body.contains("<html lang=\"ru\">"));
}

#[tokio::test]
async fn what_was_just_done_is_told_in_the_persons_language() {
    let (_test, merchant) = TestStack::signed_in().await;
    merchant.browser.prefer("en");
    let page = merchant.connect(ANNA).await;
    assert!(page.text().contains("Connected: VK — Анна Смирнова ."), "{}", page.text());
    let page = merchant.disconnect().await;
    assert!(page.text().contains("VK account disconnected."), "{}", page.text());
}

const TOO_LONG: &str = "Area/Location/Location/Location/Location/Location/Location/Locati";

#[tokio::test]
async fn times_are_in_the_zone_that_sign_in_tells() {
    let test = TestStack::start().await;
    for (zone, time) in [
        (Some("Asia/Yekaterinburg"), "09:16 +05"),
        (Some("Nowhere/Atlantis"), "07:16 МСК"),
        (Some("../etc/passwd"), "07:16 МСК"),
        (Some(TOO_LONG), "07:16 МСК"),
        (None, "07:16 МСК"),
    ] {
        test.stack.issuer().set_claim("zoneinfo", zone.map_or(serde_json::Value::Null, Into::into));
        let merchant = test.merchant(ROMASHKA).await;
        merchant.connect(ANNA).await;
        let page = merchant.open("/vk").await.text();
        assert!(page.contains(time), "{zone:?}: {page}");
    }
    let sessions = test.sessions().rows().await;
    assert!(sessions.iter().any(|row| row.contains_key("zone")));
    assert!(sessions.iter().filter(|row| row.contains_key("zone")).all(|row| text(row, "zone") != TOO_LONG));
}
