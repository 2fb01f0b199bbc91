//! Disconnecting: by the person's own form, and by nothing else.

use crate::support::{ANNA, LAVKA, ROMASHKA, TestStack};

#[tokio::test]
async fn disconnecting_twice_is_no_mistake() {
    let (test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    for _ in 0..2 {
        let page = merchant.browser.submit_without_following(form.clone()).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, test.url("/vk")));
    }
}

#[tokio::test]
async fn a_forged_form_is_refused_and_changes_nothing() {
    let test = TestStack::start().await;
    let (maria, boris) = (test.merchant(ROMASHKA).await, test.merchant(LAVKA).await);
    maria.connect(ANNA).await;
    boris.connect(ANNA).await;
    let form = maria.open("/vk").await.form("/vk/disconnect");
    let token_of_boris = boris.open("/vk").await.form("/vk/disconnect").field("csrf").unwrap().to_owned();
    let forged = [
        form.clone().without("csrf"),
        form.clone().with("csrf", ""),
        form.clone().with("csrf", &token_of_boris),
        form.clone().with_header("origin", Some("null")),
        form.clone().with_header("origin", Some("https://evil.example")),
        form.clone().with_header("sec-fetch-site", Some("cross-site")),
        form.clone().with_header("sec-fetch-site", Some("same-site")),
        form.clone().with_header("origin", None).with_header("sec-fetch-site", None),
    ];
    for form in forged {
        let page = maria.browser.submit(form).await;
        assert_eq!(page.status, 403);
    }
    assert!(maria.dashboard().await.contains("Подключено"));
    assert!(maria.browser.submit(form).await.text().contains("Подключить ВКонтакте"), "the real one works");
}

#[tokio::test]
async fn other_methods_find_nothing_there() {
    let (_test, merchant) = TestStack::connected().await;
    assert_eq!(merchant.open("/vk/disconnect").await.status, 404);
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_form_of_an_ended_session_leads_to_the_login_page_which_says_so() {
    let (test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    test.clock.advance(jiff::SignedDuration::from_hours(2));
    let page = merchant.browser.submit_without_following(form).await;
    assert_eq!((page.status.as_u16(), page.location()), (303, test.url("/login")));
    let page = merchant.browser.open(&page.location()).await;
    assert_eq!(page.status, 200, "the chain of redirects ends on our own page");
    assert!(page.text().contains("Сеанс закончился"));
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.open("/vk").await.text().contains("Анна"), "nothing was disconnected");
}

#[tokio::test]
async fn a_person_may_disconnect_thirty_times_a_minute() {
    let (test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    let row = test.connections().row().await;
    let mut capped = 0;
    for _ in 0..35 {
        test.connections().put(row.clone()).await;
        let page = merchant.browser.submit_without_following(form.clone()).await;
        capped += usize::from(page.location() == test.url("/vk?error=too_many_attempts"));
    }
    assert_eq!(capped, 5);
}

#[tokio::test]
async fn disconnecting_nothing_counts_as_well() {
    let (test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    let mut capped = 0;
    for _ in 0..35 {
        let page = merchant.browser.submit_without_following(form.clone()).await;
        capped += usize::from(page.location() == test.url("/vk?error=too_many_attempts"));
    }
    assert_eq!(capped, 5);
}
