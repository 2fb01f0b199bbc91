//! The main job, from beginning to end.

use crate::support::{ANNA, IVAN, LAVKA, ROMASHKA, TestStack};

#[tokio::test]
async fn a_merchant_connects_sees_it_break_reconnects_and_disconnects() {
    let (test, merchant) = TestStack::signed_in().await;
    assert!(merchant.dashboard().await.contains("Не подключено"));

    let page = merchant.connect(ANNA).await;
    assert_eq!(page.path(), "/connections");
    assert!(page.text().contains("Анна Смирнова") && page.text().contains("Подключено"), "{}", page.text());
    let page = merchant.open("/vk").await;
    assert!(page.text().contains("Подключено") && page.text().contains("1000001"));

    test.stack.vk().revoke_tokens(ANNA);
    assert!(merchant.dashboard().await.contains("Подключено"), "nobody has asked VK yet");
    test.stack.sweep().await.unwrap();
    assert!(merchant.dashboard().await.contains("Нужно переподключить"));
    assert!(merchant.open("/vk").await.text().contains("Доступ к аккаунту отозван"));

    assert!(merchant.connect(ANNA).await.text().contains("Подключено"));
    test.stack.sweep().await.unwrap();
    assert!(merchant.dashboard().await.contains("Подключено"));

    let page = merchant.disconnect().await;
    assert_eq!(page.path(), "/vk");
    assert!(page.text().contains("Подключить ВКонтакте"));
    assert!(merchant.dashboard().await.contains("Не подключено"));
}

#[tokio::test]
async fn merchants_see_only_their_own_connections() {
    let test = TestStack::start().await;
    let (maria, boris) = (test.merchant(ROMASHKA).await, test.merchant(LAVKA).await);
    maria.connect(ANNA).await;
    boris.connect(IVAN).await;
    assert!(maria.dashboard().await.contains("Анна Смирнова"));
    let of_boris = boris.dashboard().await;
    assert!(of_boris.contains("Иван Петров") && !of_boris.contains("Анна"), "{of_boris}");
    maria.disconnect().await;
    assert!(boris.dashboard().await.contains("Иван Петров"));
}

#[tokio::test]
async fn one_vk_account_may_serve_two_merchants() {
    let test = TestStack::start().await;
    for person in [ROMASHKA, LAVKA] {
        let merchant = test.merchant(person).await;
        assert!(merchant.connect(ANNA).await.text().contains("Анна Смирнова"));
    }
}

#[tokio::test]
async fn another_account_may_take_the_place_of_the_first() {
    let (_test, merchant) = TestStack::connected().await;
    let page = merchant.connect(IVAN).await.text();
    assert!(
        page.contains("Подключён другой аккаунт: ВКонтакте — Иван Петров (раньше — Анна Смирнова )."),
        "{page}"
    );
    let dashboard = merchant.dashboard().await;
    assert!(dashboard.contains("Иван Петров") && !dashboard.contains("Анна"), "told once: {dashboard}");
}

#[tokio::test]
async fn after_three_quarters_of_an_hour_without_an_answer_the_dashboard_turns_amber() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().set_fault(local::vk::Fault::Down);
    for _ in 0..3 {
        test.clock.advance(jiff::SignedDuration::from_mins(15));
        test.stack.sweep().await.unwrap();
    }
    assert!(merchant.dashboard().await.contains("Проверка задерживается"));
    test.stack.vk().set_fault(local::vk::Fault::None);
    test.stack.sweep().await.unwrap();
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn what_a_person_has_done_is_told_once() {
    let (test, merchant) = TestStack::signed_in().await;
    let page = merchant.connect(ANNA).await;
    assert!(
        page.body.contains("Подключено: ВКонтакте — <bdi>Анна Смирнова</bdi>. Дальше всё"),
        "{}",
        page.text()
    );
    assert!(!merchant.dashboard().await.contains("Дальше всё"), "and not again");
    let page = merchant.disconnect().await;
    assert!(page.body.contains("Аккаунт ВКонтакте отключён. Товары в группе остались, но"));
    assert!(!merchant.open("/vk").await.text().contains("отключён"));

    for forged in ["connected.vk", "connected.evotor", "disconnected.evotor", "<b>.vk", "switched.vk.PGI-"] {
        merchant.browser.set_cookie("done", forged);
        let dashboard = merchant.open("/connections").await.body;
        assert!(!dashboard.contains("role=\"status\""), "{forged}");
    }
    merchant.connect(ANNA).await;
    merchant.browser.set_cookie("done", "disconnected.vk");
    assert!(!merchant.open("/vk").await.text().contains("отключён"), "of what is not so nothing is told");
    test.stack.vk().rename(ANNA, "\u{202e}Анна", "Смирнова");
    let page = merchant.connect(ANNA).await;
    assert!(
        page.body.contains("Переподключено: ВКонтакте — <bdi>\u{202e}Анна Смирнова</bdi>."),
        "{}",
        page.body
    );
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    merchant.browser.set_cookie("done", "connected.vk");
    assert!(!merchant.dashboard().await.contains("Дальше всё"));
}
