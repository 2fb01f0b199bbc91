//! What an operator can count on seeing.

use std::collections::BTreeSet;

use local::issuer::Forgery;
use local::vk::Fault;
use serde_json::{Value, json};

use crate::support::{ANNA, LAVKA, ROMASHKA, TestStack, logged_by, start_log};

/// The metrics written so far: each event's fields.
fn metrics() -> Vec<Value> {
    logged_by("metrics").into_iter().map(|line| line["fields"].clone()).collect()
}

#[tokio::test]
async fn what_a_person_and_the_sweep_did_is_audited_with_a_correlation_id() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    merchant.connect(ANNA).await;
    test.stack.vk().deactivate(ANNA, Some("banned"));
    test.stack.sweep().await.unwrap();
    test.stack.vk().deactivate(ANNA, None);
    test.stack.sweep().await.unwrap();
    merchant.disconnect().await;
    test.stack.deliver_changes().await.unwrap();
    merchant.browser.submit(merchant.open("/vk").await.form("/logout")).await;
    let audit = logged_by("audit");
    let events: Vec<_> = audit.iter().map(|line| line["fields"]["event"].as_str().unwrap()).collect();
    let of_connection = ["connected", "reconnected", "broken", "recovered", "disconnected"];
    assert_eq!(events, [&["signed_in"], &of_connection[..], &["signed_out"]].concat());
    for line in &audit {
        assert_eq!(line["fields"]["user"], ROMASHKA);
        let is_of_connection = of_connection.iter().any(|event| line["fields"]["event"] == *event);
        assert_eq!(line["fields"]["provider"] == "vk", is_of_connection, "{line}");
        assert!(line["span"]["correlation_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
    }
}

#[tokio::test]
async fn what_a_person_did_and_failed_at_is_counted() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    merchant.connect(ANNA).await;
    merchant.disconnect().await;
    test.stack.deliver_changes().await.unwrap();
    let consent = merchant.start_connecting().await;
    let callback = merchant.refuse(&consent).await;
    merchant.browser.come_from_elsewhere(&callback).await;
    for _ in 0..30 {
        merchant.browser.open_without_following(&test.url("/vk/connect")).await;
    }
    let counted = metrics();
    let first = [
        json!({"Connected": 1}),
        json!({"Reconnected": 1}),
        json!({"Disconnected": 1}),
        json!({"Revoked": 0, "NothingToRevoke": 1, "RevocationsFailed": 0}),
        json!({"Failures": 1, "ErrorCode": "access_denied"}),
    ];
    assert_eq!(counted[..5], first);
    assert_eq!(counted.last().unwrap(), &json!({"Failures": 1, "ErrorCode": "too_many_attempts"}));
}

#[tokio::test]
async fn a_sweep_measures_what_it_found() {
    start_log();
    let test = TestStack::start().await;
    for person in [ROMASHKA, LAVKA] {
        test.merchant(person).await.connect(ANNA).await;
    }
    test.clock.advance(jiff::SignedDuration::from_mins(90));
    test.stack.vk().set_fault(Fault::Down);
    test.stack.sweep().await.unwrap();
    let sweep = metrics().pop().unwrap();
    assert_eq!((&sweep["SweepFinished"], &sweep["ChecksTransient"]), (&json!(1), &json!(2)));
    assert!((sweep["OldestCheckPeriods"].as_f64().unwrap() - 6.0).abs() < 0.1, "{sweep}");
    test.stack.vk().set_fault(Fault::None);
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    let [length, sweep] = last_two(metrics());
    assert_eq!(length, json!({"SweepPeriods": 0.0}), "of the sweep before");
    assert_eq!((&sweep["ChecksDead"], &sweep["Broken"]), (&json!(2), &json!(2)));
    assert_eq!(sweep["OldestCheckPeriods"], 0.0);
}

/// Under VK ID: tokens are renewed, then an answer is lost, and the late try after it is refused.
async fn renew_in_vain_and_with_success() {
    let (test, _merchant) = TestStack::connected_by_vk_id().await;
    for (lost, hours) in [(0, 13), (1, 13), (0, 1)] {
        test.stack.vk().lose_answers(lost);
        test.clock.advance(jiff::SignedDuration::from_hours(hours));
        test.stack.sweep().await.unwrap();
    }
    let counted = metrics().into_iter().filter(|metric| metric.to_string().starts_with(r#"{"Renew"#));
    // A refusal is asked for again before it is believed.
    let names = ["Renewed", "RenewalsLost", "RenewalsRefused", "RenewalsRefused"];
    assert!(counted.eq(names.map(|name| json!({ name: 1 }))));
}

#[tokio::test]
async fn each_token_that_is_handed_out_or_not_is_counted() {
    start_log();
    let (test, _) = TestStack::connected().await;
    for user in [ROMASHKA, LAVKA] {
        test.stack.invoke("token", &json!({ "user_id": user, "provider": "vk" })).await.unwrap();
    }
    let counted = [json!({"TokensIssued": 1}), json!({"TokensRefused": 1, "ErrorCode": "not_connected"})];
    assert_eq!(metrics(), counted);
}

fn last_two(mut metrics: Vec<Value>) -> [Value; 2] {
    metrics.split_off(metrics.len() - 2).try_into().unwrap()
}

#[tokio::test]
async fn a_connection_saved_with_its_answer_lost_is_connected_and_not_reconnected() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    test.stack.aws().calls().lose_after("TransactWriteItems", 2);
    merchant.connect(ANNA).await;
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(metrics(), [json!({"Connected": 1})]);
}

#[tokio::test]
async fn a_disconnection_whose_answer_is_lost_is_audited() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    let page = merchant.open("/vk").await;
    test.stack.aws().calls().lose_answer("TransactWriteItems");
    test.stack.aws().calls().break_after("TransactWriteItems", 1);
    assert_eq!(merchant.browser.submit(page.form("/vk/disconnect")).await.path(), "/vk");
    assert!(test.connections().rows().await.is_empty());
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(logged_by("audit").last().unwrap()["fields"]["event"], "disconnected");
}

/// An outage of VK's must page nobody about our own application.
#[tokio::test]
async fn an_outage_that_blames_our_app_is_counted_as_an_outage() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().set_fault(Fault::Maintenance);
    merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(metrics(), [json!({"Failures": 1, "ErrorCode": "provider_unavailable"})]);
}

#[tokio::test]
async fn every_metric_that_the_alarms_and_the_dashboard_show_is_written() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    merchant.connect(ANNA).await;
    for user in [ROMASHKA, LAVKA] {
        test.stack.invoke("token", &json!({ "user_id": user, "provider": "vk" })).await.unwrap();
    }
    merchant.disconnect().await;
    merchant.browser.open(&test.url("/vk/callback")).await;
    for _ in 0..2 {
        test.stack.sweep().await.unwrap();
    }
    test.stack.deliver_changes().await.unwrap();
    test.stack.issuer().set_forgery(Forgery::ForeignKey);
    test.merchant(ROMASHKA).await;
    renew_in_vain_and_with_success().await;
    let names = metrics().into_iter().flat_map(|metric| metric.as_object().unwrap().clone().into_iter());
    let written: BTreeSet<_> = names.map(|(name, _)| name).filter(|name| name != "ErrorCode").collect();
    let shown = include_str!("../../../infra/observability.yaml");
    for name in &written {
        assert!(shown.contains(name.as_str()), "nobody looks at {name}");
    }
    for (_, rest) in shown
        .match_indices("Namespace: EvoSync/Connections\n")
        .map(|(at, text)| shown.split_at(at + text.len()))
    {
        let name = rest.split_once("MetricName: ").unwrap().1.lines().next().unwrap();
        assert!(written.contains(name), "nobody writes {name}");
    }
}
