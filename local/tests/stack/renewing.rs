//! The sweep and tokens that lapse after an hour: renewed as seldom as possible, each refresh token spent once,
//! and red only where nothing is left.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use serde_json::Value;

use crate::support::{ANNA, Merchant, ROMASHKA, Row, TestStack, logged_by, start_log, text};

/// Past the access token's hour and the last proof's twelve.
const UNTIL_DUE: SignedDuration = SignedDuration::from_hours(13);
const PERIOD: SignedDuration = SignedDuration::from_mins(15);

async fn sweep(test: &TestStack) -> Value {
    test.stack.sweep().await.unwrap()
}

fn renewals(test: &TestStack) -> usize {
    test.stack.vk().take_calls().iter().filter(|call| call.path == "/id/oauth2/auth").count()
}

fn seq(row: &Row) -> Option<&str> {
    row.get("token_seq").and_then(|value| value.as_n().ok()).map(String::as_str)
}

async fn dashboard(test: &TestStack) -> String {
    let merchant = test.merchant(ROMASHKA).await;
    merchant.dashboard().await
}

async fn connected() -> (TestStack, Merchant) {
    let (test, merchant) = TestStack::connected_by_vk_id().await;
    test.stack.vk().take_calls();
    (test, merchant)
}

#[tokio::test]
async fn a_token_is_renewed_when_its_last_proof_is_old_and_not_because_an_hour_has_passed() {
    let (test, _) = connected().await;
    for _ in 0..3 {
        test.clock.advance(PERIOD);
        assert_eq!(sweep(&test).await["alive"], 1, "asked as ever while it lives");
    }
    for _ in 0..11 {
        test.clock.advance(SignedDuration::from_hours(1));
        assert_eq!(sweep(&test).await["not_due"], 1);
    }
    assert_eq!(renewals(&test), 0);
    assert!(dashboard(&test).await.contains("Подключено"), "the last proof counts");
    test.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(sweep(&test).await["alive"], 1);
    assert_eq!(renewals(&test), 1);
    let row = test.connections().row().await;
    assert_eq!(seq(&row), Some("1"));
    assert!(!row.contains_key("renewal"));
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["alive"], 1, "the new token is asked about");
    assert_eq!(renewals(&test), 0);
}

#[tokio::test]
async fn an_operators_sweep_spends_no_refresh_token_before_its_time() {
    let (test, _) = connected().await;
    test.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(sweep(&test).await["not_due"], 1);
    let asked = test.stack.invoke("health-check", &serde_json::json!({})).await.unwrap();
    assert_eq!(asked["not_due"], 1);
    assert_eq!(renewals(&test), 0);
}

#[tokio::test]
async fn a_disconnected_or_revoked_account_turns_red_in_the_sweep_that_finds_it() {
    let (test, merchant) = connected().await;
    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(UNTIL_DUE);
    let summary = sweep(&test).await;
    assert_eq!((&summary["dead"], &summary["broken"]), (&1.into(), &1.into()));
    assert_eq!(text(&test.connections().row().await, "offline_reason"), "token_rejected");
    assert_eq!(renewals(&test), 2, "asked again before it is believed");
    test.clock.advance(SignedDuration::from_hours(30));
    sweep(&test).await;
    assert_eq!(renewals(&test), 0, "and never again");
    let again = test.merchant(ROMASHKA).await;
    assert_eq!(again.connect(ANNA).await.path(), "/connections");
    assert!(!test.connections().row().await.contains_key("renewal"));
    drop(merchant);
}

#[tokio::test]
async fn an_access_token_that_vk_refuses_early_is_renewed_before_it_is_called_dead() {
    let (test, _) = connected().await;
    // The session is over, and with it the refresh token.
    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["broken"], 1);
    assert_eq!((renewals(&test), test.stack.vk().reuses()), (2, 0));
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_again_while_anything_is_left_to_lose() {
    start_log();
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().lose_answers(1);
    assert_eq!(sweep(&test).await["transient"], 1);
    assert_eq!(renewals(&test), 1, "once");
    assert!(test.connections().row().await.contains_key("renewal"));
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["inconclusive"], 1);
    assert_eq!(renewals(&test), 0, "nothing for twenty minutes");
    assert_eq!(test.stack.vk().reuses(), 0);
    assert!(*test.connections().row().await["is_online"].as_bool().unwrap());

    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["broken"], 1, "one late try, since nothing is left to lose");
    let row = test.connections().row().await;
    assert_eq!(text(&row, "offline_reason"), "renewal_lost");
    let page = test.merchant(ROMASHKA).await.open("/vk").await.text();
    assert!(page.contains("Доступ не продлён"), "{page}");
    let metrics = logged_by("metrics");
    assert!(metrics.iter().any(|line| line["fields"]["RenewalsLost"] == 1));
}

#[tokio::test]
async fn an_answer_lost_before_vk_did_anything_is_made_up_for_by_the_late_try() {
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().set_fault(Fault::Down);
    sweep(&test).await;
    assert!(test.connections().row().await.contains_key("renewal"), "a 502 may have spent it");
    test.stack.vk().set_fault(Fault::None);
    for _ in 0..2 {
        test.clock.advance(PERIOD);
        sweep(&test).await;
    }
    let row = test.connections().row().await;
    assert_eq!(seq(&row), Some("1"));
    assert!(*row["is_online"].as_bool().unwrap() && !row.contains_key("renewal"));
    assert_eq!(test.stack.vk().reuses(), 0);
}

#[tokio::test]
async fn a_rate_limit_spends_nothing_and_is_tried_in_the_next_sweep() {
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().set_switch(Switch::SlowDown, true);
    assert_eq!(sweep(&test).await["transient"], 1);
    assert!(!test.connections().row().await.contains_key("renewal"), "the claim is taken back");
    test.stack.vk().set_switch(Switch::SlowDown, false);
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["alive"], 1);
}

#[tokio::test]
async fn a_host_that_redirects_turns_nobody_red_and_renews_when_it_is_mended() {
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().set_fault(Fault::Redirecting);
    for _ in 0..6 {
        sweep(&test).await;
        assert!(*test.connections().row().await["is_online"].as_bool().unwrap());
        test.clock.advance(PERIOD);
    }
    test.stack.vk().set_fault(Fault::None);
    for _ in 0..2 {
        sweep(&test).await;
        test.clock.advance(PERIOD);
    }
    let row = test.connections().row().await;
    assert_eq!((seq(&row), row.contains_key("renewal")), (Some("1"), false));
    assert_eq!(test.stack.vk().reuses(), 0);
}

#[tokio::test]
async fn a_wrong_service_token_is_our_fault_and_spends_nothing() {
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().set_service_token("another");
    assert_eq!(sweep(&test).await["our_fault"], 1);
    let row = test.connections().row().await;
    assert!(*row["is_online"].as_bool().unwrap() && !row.contains_key("renewal"));
    test.stack.aws().put_secret("local/vk-service-token", "another");
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["alive"], 1);
}

#[tokio::test]
async fn a_change_of_address_is_renewed_once_from_here_and_is_no_dead_token() {
    start_log();
    let (test, _) = connected().await;
    test.stack.vk().change_address();
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["alive"], 1, "renewed from the new address");
    assert_eq!(renewals(&test), 1);
    test.stack.vk().change_address();
    test.stack.vk().set_switch(Switch::SlowDown, true);
    test.clock.advance(PERIOD);
    let summary = sweep(&test).await;
    assert_eq!((&summary["another_address"], &summary["dead"]), (&1.into(), &0.into()));
    assert!(*test.connections().row().await["is_online"].as_bool().unwrap());
}

#[tokio::test]
async fn a_token_renewed_by_somebody_else_is_left_alone() {
    let (test, _) = connected().await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().hold_answers();
    let before = test.connections().row().await;
    let racing = async {
        test.stack.vk().called(1).await;
        // Another renewer was quicker: its tokens are in the row.
        let mut row = before.clone();
        row.insert("token_seq".to_owned(), AttributeValue::N("7".to_owned()));
        row.insert("generation".to_owned(), AttributeValue::S("11".repeat(16)));
        test.connections().put(row).await;
        test.stack.vk().release_answers();
    };
    let (summary, ()) = futures_util::join!(sweep(&test), racing);
    assert_eq!(summary["superseded"], 1, "{summary}");
    let row = test.connections().row().await;
    assert_eq!((seq(&row), &row["access_token"]), (Some("7"), &before["access_token"]));
    let paths: Vec<_> = test.stack.vk().take_calls().into_iter().map(|call| call.path).collect();
    assert!(paths.contains(&"/id/oauth2/logout".to_owned()), "the new pair is given back: {paths:?}");
}

#[tokio::test]
async fn a_spent_budget_makes_connections_wait_and_turns_nobody_red() {
    start_log();
    let test = TestStack::with_parameters([("VkFlow", "vk_id"), ("VkRenewalsPerDay", "1")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    test.merchant(crate::support::LAVKA).await.connect(crate::support::IVAN).await;
    test.clock.advance(UNTIL_DUE);
    test.stack.vk().take_calls();
    let summary = sweep(&test).await;
    assert_eq!((&summary["alive"], &summary["postponed"]), (&1.into(), &1.into()));
    assert_eq!(renewals(&test), 1);
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["postponed"], 1);
    assert!(test.connections().rows().await.iter().all(|row| *row["is_online"].as_bool().unwrap()));
    test.clock.advance(SignedDuration::from_hours(24));
    let summary = sweep(&test).await;
    assert_eq!((&summary["alive"], &summary["postponed"]), (&1.into(), &1.into()), "another day");
}

#[tokio::test]
async fn a_spent_budget_hides_no_other_address() {
    let test = TestStack::with_parameters([("VkFlow", "vk_id"), ("VkRenewalsPerDay", "1")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    test.merchant(crate::support::LAVKA).await.connect(crate::support::IVAN).await;
    test.stack.vk().change_address();
    test.clock.advance(PERIOD);
    let summary = sweep(&test).await;
    assert_eq!((&summary["alive"], &summary["postponed"]), (&1.into(), &1.into()));
    assert_eq!(summary["another_address"], 2);
}

#[tokio::test]
async fn what_the_classic_flow_granted_is_asked_about_once_a_day() {
    let (test, _) = TestStack::connected().await;
    test.stack.vk().take_calls();
    let probes = async || {
        let calls = test.stack.vk().take_calls();
        calls.iter().filter(|call| call.path == "/method/account.getAppPermissions").count()
    };
    test.clock.advance(PERIOD);
    sweep(&test).await;
    assert_eq!(probes().await, 0, "asked when it was connected");
    test.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(sweep(&test).await["alive"], 1);
    assert_eq!(probes().await, 1);
    test.clock.advance(PERIOD);
    sweep(&test).await;
    assert_eq!(probes().await, 0);
}

#[tokio::test]
async fn a_right_that_is_gone_turns_a_connection_red_and_says_whose_choice_it_may_be() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let form = consent.form("/authorize").with("account", &ANNA.to_string());
    let callback = merchant.browser.submit_without_following(form.with("decision", "allow")).await.location();
    merchant.browser.come_from_elsewhere(&callback).await;
    test.stack.vk().withdraw_right(ANNA, 1 << 27);
    test.clock.advance(PERIOD);
    assert_eq!(sweep(&test).await["alive"], 1, "not before a day has passed");
    test.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(sweep(&test).await["broken"], 1);
    let row = test.connections().row().await;
    assert_eq!(
        (text(&row, "offline_reason"), text(&row, "scopes")),
        ("permission_missing", "groups offline")
    );
    let page = test.merchant(ROMASHKA).await.open("/vk").await.text();
    assert!(page.contains("Не хватает разрешений"), "{page}");
}
