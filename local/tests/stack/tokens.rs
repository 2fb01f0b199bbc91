//! Live tokens for workers: what the function hands out, when it asks VK, and when it says that there is none.

use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use serde_json::{Value, json};

use crate::support::{ANNA, IVAN, LAVKA, ROMASHKA, Row, TestStack, logged, logged_by, start_log, text};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

async fn ask(test: &TestStack, more: Value) -> Value {
    let mut request = json!({ "user_id": ROMASHKA, "provider": "vk", "min_ttl_seconds": 300 });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    test.stack.invoke("token", &request).await.unwrap()
}

async fn issued(test: &TestStack) -> Value {
    let answer = ask(test, json!({})).await;
    assert!(answer["access_token"].is_string(), "{answer}");
    answer
}

fn calls(test: &TestStack) -> Vec<String> {
    test.stack.vk().take_calls().into_iter().map(|call| call.path).collect()
}

async fn row(test: &TestStack) -> Row {
    test.connections().row().await
}

#[tokio::test]
async fn a_token_that_does_not_lapse_is_handed_out_without_asking_vk() {
    let (test, _) = TestStack::connected().await;
    calls(&test);
    let token = issued(&test).await;
    assert_eq!(test.stack.vk().tokens(), [token["access_token"].as_str().unwrap()]);
    assert_eq!(token["account_id"], ANNA.to_string());
    assert_eq!(token["scopes"], json!(["groups", "market", "offline"]));
    assert_eq!((&token["expires_at"], &token["egress"]), (&Value::Null, &Value::Null));
    assert!(calls(&test).is_empty());
    assert_eq!(issued(&test).await["version"], token["version"]);
}

#[tokio::test]
async fn a_token_of_vk_id_says_when_it_lapses_and_from_where_it_answers() {
    let test = TestStack::with_parameters([("VkFlow", "vk_id"), ("EgressAddress", "203.0.113.7")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    let token = issued(&test).await;
    assert_eq!(token["expires_at"], "2026-11-22T05:16:00Z");
    assert_eq!(token["egress"], "203.0.113.7");
}

#[tokio::test]
async fn a_token_whose_time_is_short_is_renewed_once_and_not_at_every_call() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    let first = issued(&test).await;
    test.clock.advance(MINUTE * 50);
    assert_eq!(issued(&test).await["version"], first["version"], "ten minutes are enough");
    assert_eq!(ask(&test, json!({ "min_ttl_seconds": 1801 })).await["error"], "bad_request");
    test.clock.advance(MINUTE * 6);
    calls(&test);
    let second = issued(&test).await;
    assert_ne!(second["version"], first["version"]);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(issued(&test).await["version"], second["version"]);
    assert_eq!(calls(&test), ["/id/oauth2/auth"]);
    assert_eq!(test.stack.vk().reuses(), 0);
}

#[tokio::test]
async fn a_lapsed_token_is_renewed_when_a_worker_needs_it() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    test.clock.advance(SignedDuration::from_hours(5));
    let token = issued(&test).await;
    assert_eq!(token["expires_at"], "2026-11-22T10:16:00Z");
    test.clock.advance(MINUTE * 15);
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1);
}

#[tokio::test]
async fn whoever_has_no_connection_or_a_broken_one_is_told_so() {
    let (test, merchant) = TestStack::connected().await;
    let other = json!({ "user_id": LAVKA });
    assert_eq!(ask(&test, other).await, json!({ "error": "not_connected" }));
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    assert_eq!(ask(&test, json!({})).await, json!({ "error": "reconnect_needed" }));
    merchant.disconnect().await;
    assert_eq!(ask(&test, json!({})).await, json!({ "error": "not_connected" }));
}

#[tokio::test]
async fn a_malformed_request_says_what_is_wrong() {
    let (test, _) = TestStack::connected().await;
    for more in [json!({ "provider": "fb" }), json!({ "user_id": 1 }), json!({ "min_ttl_seconds": "1" })] {
        let answer = ask(&test, more).await;
        assert_eq!(answer["error"], "bad_request", "{answer}");
        assert!(answer["message"].is_string());
    }
}

#[tokio::test]
async fn a_refused_token_is_checked_and_turned_red_or_handed_out_again() {
    start_log();
    let (test, _) = TestStack::connected().await;
    let token = issued(&test).await;
    let rejected = json!({ "rejected_version": token["version"] });
    calls(&test);
    assert_eq!(ask(&test, rejected.clone()).await["version"], token["version"]);
    assert!(calls(&test).is_empty(), "VK has just confirmed it");
    test.clock.advance(MINUTE * 2);
    assert_eq!(ask(&test, rejected.clone()).await["version"], token["version"], "VK confirms it again");
    assert_eq!(calls(&test), ["/method/users.get", "/method/account.getAppPermissions"]);

    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(MINUTE * 2);
    assert_eq!(ask(&test, rejected.clone()).await, json!({ "error": "reconnect_needed" }));
    assert_eq!(calls(&test).len(), 2, "asked twice before it is believed");
    assert_eq!(text(&row(&test).await, "offline_reason"), "token_rejected");
    assert_eq!(ask(&test, rejected).await, json!({ "error": "reconnect_needed" }));
    assert!(calls(&test).is_empty());
    test.stack.deliver_changes().await.unwrap();
    let audit = logged_by("audit");
    let broken = audit.iter().find(|line| line["fields"]["event"] == "broken").unwrap();
    assert_eq!(broken["fields"]["by"], "worker");
}

#[tokio::test]
async fn a_refused_token_of_vk_id_is_renewed() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    let token = issued(&test).await;
    test.stack.vk().change_address();
    test.clock.advance(MINUTE * 2);
    let renewed = ask(&test, json!({ "rejected_version": token["version"] })).await;
    assert_ne!(renewed["version"], token["version"]);
    assert!(renewed["access_token"].is_string(), "{renewed}");
    let stale = ask(&test, json!({ "rejected_version": token["version"] })).await;
    assert_eq!(stale["version"], renewed["version"], "it was replaced since");
}

#[tokio::test]
async fn a_lapsed_token_that_vk_refuses_to_renew_twice_is_broken() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(SignedDuration::from_hours(2));
    calls(&test);
    assert_eq!(ask(&test, json!({})).await, json!({ "error": "reconnect_needed" }));
    assert_eq!(calls(&test), ["/id/oauth2/auth", "/id/oauth2/auth"]);
    assert!(!*row(&test).await["is_online"].as_bool().unwrap());
}

#[tokio::test]
async fn a_token_is_handed_out_for_the_time_it_has_where_it_cannot_be_renewed_now() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    test.clock.advance(MINUTE * 56);
    for trouble in [Fault::Down, Fault::Maintenance] {
        test.stack.vk().set_fault(trouble);
        assert_eq!(issued(&test).await["expires_at"], "2026-11-22T05:16:00Z");
    }
    test.clock.advance(MINUTE * 4);
    let later = ask(&test, json!({})).await;
    assert_eq!(later["error"], "try_later", "{later}");
    assert!(later["retry_after"].as_i64().unwrap() > 0);
    assert!(*row(&test).await["is_online"].as_bool().unwrap());
}

#[tokio::test]
async fn a_lost_answer_is_waited_out_and_nothing_is_spent_twice() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    test.clock.advance(MINUTE * 56);
    test.stack.vk().lose_answers(1);
    issued(&test).await;
    test.clock.advance(MINUTE * 5);
    for _ in 0..3 {
        assert_eq!(ask(&test, json!({})).await["error"], "try_later");
    }
    assert_eq!(test.stack.vk().reuses(), 0);
    test.clock.advance(MINUTE * 20);
    assert_eq!(ask(&test, json!({})).await, json!({ "error": "reconnect_needed" }));
    assert_eq!(text(&row(&test).await, "offline_reason"), "renewal_lost");
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_again() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    test.clock.advance(SignedDuration::from_hours(2));
    test.stack.vk().set_switch(Switch::SlowDown, true);
    assert_eq!(ask(&test, json!({})).await["error"], "try_later");
    assert!(!row(&test).await.contains_key("renewal"));
    test.stack.vk().set_switch(Switch::SlowDown, false);
    issued(&test).await;
}

#[tokio::test]
async fn a_missing_right_has_an_error_of_its_own() {
    let (test, _) = TestStack::connected().await;
    let token = issued(&test).await;
    test.stack.vk().withdraw_right(ANNA, 1 << 27);
    test.clock.advance(MINUTE * 2);
    let answer = ask(&test, json!({ "rejected_version": token["version"] })).await;
    assert_eq!(answer, json!({ "error": "rights_missing" }));
    assert_eq!(ask(&test, json!({})).await, json!({ "error": "rights_missing" }));
}

#[tokio::test]
async fn workers_come_before_the_sweep_in_the_days_budget() {
    let test = TestStack::with_parameters([("VkFlow", "vk_id"), ("VkRenewalsPerDay", "1")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    test.merchant(LAVKA).await.connect(IVAN).await;
    test.clock.advance(SignedDuration::from_hours(13));
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["alive"], &summary["postponed"]), (&1.into(), &1.into()));
    for user in [ROMASHKA, LAVKA] {
        assert!(ask(&test, json!({ "user_id": user })).await["access_token"].is_string(), "{user}");
    }
}

#[tokio::test]
async fn workers_that_complain_of_everybody_turn_few_red() {
    let test = TestStack::start().await;
    let mut versions = Vec::new();
    let template = {
        test.merchant(ROMASHKA).await.connect(ANNA).await;
        row(&test).await
    };
    versions.push(issued(&test).await["version"].clone());
    drop(template);
    test.stack.vk().answer_with_error(ANNA, Some(5));
    for _ in 0..8 {
        test.clock.advance(MINUTE * 2);
        let token = ask(&test, json!({})).await;
        let rejected = json!({ "rejected_version": token["version"] });
        let answer = ask(&test, rejected).await;
        if answer["error"] == "try_later" {
            return;
        }
        assert_eq!(answer["error"], "reconnect_needed", "{answer}");
        test.stack.vk().answer_with_error(ANNA, None);
        test.merchant(ROMASHKA).await.connect(ANNA).await;
        test.stack.vk().answer_with_error(ANNA, Some(5));
    }
    panic!("all of them were believed");
}

#[tokio::test]
async fn every_use_is_an_audit_event_and_the_token_is_in_no_log() {
    start_log();
    let (test, _) = TestStack::connected().await;
    let token = issued(&test).await;
    ask(&test, json!({ "user_id": LAVKA })).await;
    let audit = logged_by("audit");
    let used: Vec<_> = audit.iter().filter(|line| line["fields"]["event"] == "token").collect();
    assert_eq!(used.len(), 2);
    assert_eq!(
        (&used[0]["fields"]["outcome"], &used[0]["fields"]["user"]),
        (&json!("issued"), &json!(ROMASHKA))
    );
    assert_eq!(used[0]["fields"]["version"], token["version"]);
    assert_eq!(used[1]["fields"]["outcome"], "not_connected");
    assert!(!logged().contains(token["access_token"].as_str().unwrap()));
}

#[tokio::test]
async fn a_store_or_a_secret_that_does_not_answer_is_tried_again_later() {
    let (test, _) = TestStack::connected().await;
    test.stack.aws().calls().break_operation("GetItem");
    assert_eq!(ask(&test, json!({})).await["error"], "try_later");
    test.stack.aws().calls().mend();
    issued(&test).await;
}
