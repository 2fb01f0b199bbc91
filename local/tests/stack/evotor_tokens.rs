//! The life of Evotor's tokens: checked by the list of shops, renewed by the sweep and for workers, lost, ended.

use jiff::SignedDuration;
use local::evotor::{Fault, ROMASHKA as ROMASHKA_SHOP, SMIRNOVA};
use serde_json::{Value, json};

use crate::evotor::{connect, start};
use crate::support::{ANNA, LAVKA, Merchant, ROMASHKA, Row, TestStack, text};

const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn connected() -> (TestStack, Merchant) {
    let (test, merchant) = start().await;
    connect(&test, &merchant, SMIRNOVA).await;
    test.stack.evotor().take_calls();
    (test, merchant)
}

async fn row(test: &TestStack) -> Row {
    let rows = test.connections().rows().await;
    rows.into_iter().find(|row| text(row, "provider") == "evotor").unwrap()
}

/// The connection's page, in a session of its own: a person's ends within a day.
async fn page(test: &TestStack) -> String {
    test.merchant(ROMASHKA).await.open("/evotor").await.text()
}

async fn ask(test: &TestStack, min_ttl: i64) -> Value {
    let request = json!({ "user_id": ROMASHKA, "provider": "evotor", "min_ttl_seconds": min_ttl });
    test.stack.invoke("token", &request).await.unwrap()
}

fn calls(test: &TestStack) -> Vec<String> {
    test.stack.evotor().take_calls().into_iter().map(|call| call.path).collect()
}

#[tokio::test]
async fn a_check_is_one_question_and_says_the_shops_as_they_are_now() {
    let (test, _) = connected().await;
    test.stack.evotor().set_stores(SMIRNOVA, &["Лавка на Мира", "Склад", "Киоск"]);
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1);
    assert_eq!(calls(&test), ["/stores"]);
    assert_eq!(text(&row(&test).await, "last_name"), "3");
    assert!(page(&test).await.contains("3 магазина: "));
    test.stack.evotor().set_stores(SMIRNOVA, &[]);
    test.stack.evotor().bare_stores(true);
    test.stack.sweep().await.unwrap();
    assert!(page(&test).await.contains("Магазинов пока нет"));
    assert!(page(&test).await.contains("Подключено"), "without shops it is connected all the same");
}

#[tokio::test]
async fn a_person_who_is_renamed_at_vk_is_shown_by_the_new_name() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().rename(ANNA, "Анна", "Новикова");
    test.stack.sweep().await.unwrap();
    assert!(merchant.dashboard().await.contains("Анна Новикова"));
    test.stack.vk().rename(ANNA, "", "");
    test.stack.sweep().await.unwrap();
    assert!(merchant.dashboard().await.contains("Анна Новикова"), "a missing name takes none away");
}

#[tokio::test]
async fn a_removed_application_breaks_the_connection_until_it_is_connected_again() {
    let (test, merchant) = connected().await;
    test.stack.evotor().uninstall(SMIRNOVA);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["dead"], &summary["broken"]), (&json!(1), &json!(1)), "{summary}");
    let page = merchant.open("/evotor").await.text();
    assert!(page.contains("Доступ к магазинам отозван"), "{page}");
    assert!(merchant.dashboard().await.contains("переподключите Эвотор"));
    connect(&test, &merchant, SMIRNOVA).await;
    assert!(merchant.open("/evotor").await.text().contains("Подключено"));
}

#[tokio::test]
async fn a_missing_right_breaks_the_connection_and_says_so() {
    let (test, merchant) = connected().await;
    test.stack.evotor().forbid(SMIRNOVA, true);
    test.stack.sweep().await.unwrap();
    let page = merchant.open("/evotor").await.text();
    assert!(page.contains("Эвотор не даёт доступ к магазинам"), "{page}");
    test.stack.evotor().forbid(SMIRNOVA, false);
    test.clock.advance(SignedDuration::from_mins(16));
    test.stack.sweep().await.unwrap();
    assert!(merchant.open("/evotor").await.text().contains("Подключено"), "it mends itself");
}

#[tokio::test]
async fn an_outage_of_evotors_breaks_nothing_and_holds_up_nobody() {
    let (test, merchant) = connected().await;
    merchant.connect(ANNA).await;
    for fault in [Fault::Down, Fault::Maintenance, Fault::RateLimited, Fault::Garbled, Fault::Redirecting] {
        test.stack.evotor().set_fault(fault);
        test.clock.advance(SignedDuration::from_mins(16));
        test.stack.vk().take_calls();
        let summary = test.stack.sweep().await.unwrap();
        assert_eq!(
            (&summary["alive"], &summary["finished"]),
            (&json!(1), &json!(true)),
            "{fault:?} {summary}"
        );
        assert!(!test.stack.vk().take_calls().is_empty(), "{fault:?}: VK is asked as ever");
        assert!(test.connections().rows().await.iter().all(|row| row["is_online"].as_bool() == Ok(&true)));
    }
    test.stack.evotor().set_fault(Fault::None);
    test.stack.sweep().await.unwrap();
    assert!(!merchant.dashboard().await.contains("не синхронизируются"));
}

#[tokio::test]
async fn the_sweep_renews_what_has_lapsed_and_nobody_has_needed() {
    let (test, _) = connected().await;
    test.clock.advance(DAY * 7 - SignedDuration::from_mins(1));
    test.stack.sweep().await.unwrap();
    assert_eq!(calls(&test), ["/stores"], "a minute before its end the token works");
    test.clock.advance(SignedDuration::from_mins(2));
    test.stack.sweep().await.unwrap();
    assert!(calls(&test).is_empty(), "the last proof counts");
    test.clock.advance(SignedDuration::from_hours(12));
    test.stack.sweep().await.unwrap();
    assert_eq!(calls(&test), ["/oauth/token", "/stores"]);
    let row = row(&test).await;
    assert_eq!(
        (text(&row, "access_expires_at"), row["token_seq"].as_n().unwrap().as_str()),
        ("2026-12-06T16:17:00Z", "1")
    );
    assert!(page(&test).await.contains("Подключено"));
}

#[tokio::test]
async fn a_worker_gets_a_token_that_evotor_answers_and_a_renewed_one_in_time() {
    let (test, _) = connected().await;
    let first = ask(&test, 300).await;
    assert_eq!(test.stack.evotor().access_tokens(), [first["access_token"].as_str().unwrap()]);
    assert_eq!((&first["expires_at"], &first["egress"]), (&json!("2026-11-29T04:16:00Z"), &Value::Null));
    assert_eq!(first["account_id"], text(&row(&test).await, "evotor_user_id"));
    assert!(calls(&test).is_empty(), "nobody needs to ask Evotor");
    test.clock.advance(DAY * 7 - SignedDuration::from_mins(4));
    let second = ask(&test, 300).await;
    assert_ne!(second["version"], first["version"]);
    assert_eq!(calls(&test), ["/oauth/token"]);
    let tokens = test.stack.evotor().access_tokens();
    assert!(tokens.contains(&second["access_token"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn a_refresh_that_brings_no_new_refresh_token_leaves_the_old_one_in_force() {
    let (test, _) = connected().await;
    test.stack.evotor().rotate(false);
    for week in 1..=3 {
        test.clock.advance(DAY * 7);
        let token = ask(&test, 300).await;
        assert!(token["access_token"].is_string(), "week {week}: {token}");
    }
    assert_eq!(test.stack.evotor().refresh_tokens().len(), 1);
    test.stack.sweep().await.unwrap();
    assert!(page(&test).await.contains("Подключено"));
}

#[tokio::test]
async fn nothing_is_spent_while_evotor_refuses_the_application_or_cannot_be_asked() {
    let (test, _) = connected().await;
    test.clock.advance(DAY * 8);
    test.stack.evotor().set_client_secret("another");
    test.stack.sweep().await.unwrap();
    assert!(!page(&test).await.contains("Нужно переподключить"), "our fault breaks nothing");
    test.stack.aws().put_secret("local/evotor-client-secret", "another");
    test.stack.evotor().set_fault(Fault::RateLimited);
    test.clock.advance(SignedDuration::from_mins(16));
    test.stack.sweep().await.unwrap();
    test.stack.evotor().set_fault(Fault::None);
    test.clock.advance(SignedDuration::from_mins(16));
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1);
    assert_eq!(test.stack.evotor().reuses(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_not_asked_for_blindly() {
    let (test, _) = connected().await;
    test.clock.advance(DAY * 8);
    test.stack.evotor().lose_answers(1);
    test.stack.sweep().await.unwrap();
    assert_eq!(calls(&test), ["/oauth/token"], "one question, and no other");
    test.stack.sweep().await.unwrap();
    assert!(calls(&test).is_empty(), "another would be a second use");
    for _ in 0..8 {
        test.clock.advance(SignedDuration::from_mins(16));
        test.stack.sweep().await.unwrap();
    }
    assert!(page(&test).await.contains("Доступ не продлён"), "{}", page(&test).await);
    let merchant = test.merchant(ROMASHKA).await;
    connect(&test, &merchant, SMIRNOVA).await;
    assert!(page(&test).await.contains("Подключено"));
}

#[tokio::test]
async fn for_thirty_days_of_troubles_the_connection_is_never_red() {
    let (test, _) = connected().await;
    for hour in 1..=30 * 12 {
        test.clock.advance(SignedDuration::from_hours(2));
        match hour {
            30 | 86 | 200 => test.stack.evotor().set_fault(Fault::Down),
            40 | 96 | 210 => test.stack.evotor().set_fault(Fault::None),
            150 => test.stack.evotor().set_client_secret("another"),
            160 => test.stack.aws().put_secret("local/evotor-client-secret", "another"),
            250 => test.stack.evotor().rotate(false),
            _ => {}
        }
        test.stack.sweeper().tick().await.unwrap();
        assert_eq!(row(&test).await["is_online"].as_bool(), Ok(&true), "hour {}", hour * 2);
    }
    assert_eq!(test.stack.evotor().reuses(), 0, "no refresh token was used twice");
    assert!(page(&test).await.contains("Подключено"));
    assert!(row(&test).await["token_seq"].as_n().unwrap().parse::<u32>().unwrap() >= 3);
}

#[tokio::test]
async fn connections_of_both_providers_are_told_apart_in_events_and_tokens() {
    let (test, merchant) = connected().await;
    merchant.connect(ANNA).await;
    let other = test.merchant(LAVKA).await;
    connect(&test, &other, ROMASHKA_SHOP).await;
    test.stack.deliver_changes().await.unwrap();
    let events = test.stack.aws().events();
    let told: Vec<_> = events.iter().map(|event| event["Detail"]["provider"].as_str().unwrap()).collect();
    assert_eq!(told, ["evotor", "vk", "evotor"]);
    let vk = test.stack.invoke("token", &json!({ "user_id": ROMASHKA, "provider": "vk" })).await.unwrap();
    assert_eq!(vk["account_id"], ANNA.to_string());
    assert_ne!(vk["access_token"], ask(&test, 300).await["access_token"]);
}
