//! What is committed to the table of connections, and only that, is announced: as an audit line, a metric
//! and an event.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use evosync_connections::domain::Change;
use jiff::SignedDuration;
use local::vk::Fault;
use serde_json::{Value, json};
use strum::VariantArray as _;

use crate::support::{ANNA, IVAN, Merchant, ROMASHKA, TestStack, logged_by, start_log, text};

/// What each event is called, oldest first.
fn announced(test: &TestStack) -> Vec<String> {
    let events = test.stack.aws().events();
    events.iter().map(|event| event["DetailType"].as_str().unwrap().to_owned()).collect()
}

fn details(test: &TestStack) -> Vec<Value> {
    test.stack.aws().events().into_iter().map(|event| event["Detail"].clone()).collect()
}

fn audited() -> Vec<Value> {
    let lines = logged_by("audit").into_iter();
    lines.filter(|line| line["fields"]["id"].is_string()).collect()
}

/// Everything that may happen to a connection, once each.
async fn live_through_everything(test: &TestStack, merchant: &Merchant) {
    merchant.connect(ANNA).await;
    merchant.connect(IVAN).await;
    test.stack.vk().deactivate(IVAN, Some("banned"));
    test.stack.sweep().await.unwrap();
    test.stack.vk().deactivate(IVAN, None);
    test.stack.sweep().await.unwrap();
    merchant.disconnect().await;
}

#[tokio::test]
async fn every_change_is_an_audit_line_an_event_and_a_metric_of_one_name() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    live_through_everything(&test, &merchant).await;
    test.stack.deliver_changes().await.unwrap();
    let order =
        [Change::Connected, Change::Reconnected, Change::Broken, Change::Recovered, Change::Disconnected];
    let all: BTreeSet<_> = Change::VARIANTS.iter().map(|change| change.name()).collect();
    assert_eq!(order.iter().map(|change| change.name()).collect::<BTreeSet<_>>(), all);

    assert_eq!(announced(&test), order.map(Change::detail_type));
    let (details, lines) = (details(&test), audited());
    let events: Vec<_> = lines.iter().map(|line| line["fields"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, order.map(Change::audit_event));
    for (detail, line) in details.iter().zip(&lines) {
        for member in ["id", "at", "by", "user", "provider"] {
            assert_eq!(detail[member], line["fields"][member], "{member} of {detail}");
        }
        assert_eq!(detail["account_id"], line["fields"]["account"]);
        assert_eq!(detail["correlation_id"], line["span"]["correlation_id"]);
    }
    let metrics: Vec<_> = logged_by("metrics").into_iter().map(|line| line["fields"].clone()).collect();
    for change in order {
        assert!(metrics.contains(&json!({ change.name(): 1 })), "{change:?}");
    }
}

#[tokio::test]
async fn an_event_says_who_did_what_to_which_connection_and_in_which_order() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    live_through_everything(&test, &merchant).await;
    test.stack.deliver_changes().await.unwrap();
    let details = details(&test);
    let of = |member: &str| details.iter().map(|detail| detail[member].clone()).collect::<Vec<_>>();
    assert_eq!(of("by"), ["person", "person", "sweep", "sweep", "person"]);
    assert_eq!(of("account_id"), [ANNA, IVAN, IVAN, IVAN, IVAN].map(|account| account.to_string()));
    assert_eq!(
        of("reason"),
        [json!(null), json!(null), json!("account_unavailable"), json!(null), json!(null)]
    );
    let sequences: Vec<u128> =
        of("sequence").iter().map(|sequence| sequence.as_str().unwrap().parse().unwrap()).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    let generations: BTreeSet<_> = of("generation").iter().map(Value::to_string).collect();
    assert_eq!(generations.len(), 2);
    // The request that did it has log lines under the same correlation id.
    let answered = crate::support::logged();
    for id in of("correlation_id") {
        assert!(answered.matches(id.as_str().unwrap()).count() >= 2, "{id}");
    }
    for event in test.stack.aws().events() {
        assert_eq!(event["Source"], "evosync.connections");
        assert!(event["EventBusName"].as_str().unwrap().ends_with(":event-bus/local"));
    }
}

#[tokio::test]
async fn an_event_has_the_members_of_its_schema_and_nothing_of_the_tokens() {
    let (test, merchant) = TestStack::signed_in().await;
    live_through_everything(&test, &merchant).await;
    test.stack.deliver_changes().await.unwrap();
    let documented = include_str!("../../../docs/events.md");
    let events = json!(test.stack.aws().events()).to_string();
    for token in test.stack.vk().tokens() {
        assert!(!events.contains(&token));
    }
    for detail in details(&test) {
        for (name, value) in detail.as_object().unwrap() {
            assert!(documented.contains(&format!("| `{name}` |")), "docs/events.md does not name {name}");
            assert!(value.is_string() || name == "version", "{name}");
        }
        assert_eq!(detail["version"], 1);
        assert!(detail.to_string().len() < 1_000, "sealed bytes would be longer");
    }
}

#[tokio::test]
async fn a_write_that_changes_nothing_anybody_would_notice_is_no_event() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.deliver_changes().await.unwrap();
    for fault in [Fault::None, Fault::Down] {
        test.stack.vk().set_fault(fault);
        test.stack.sweep().await.unwrap();
    }
    merchant.dashboard().await;
    assert!(test.stack.deliver_changes().await.unwrap() >= 2, "the sweeps' writes are in the stream");
    assert_eq!(announced(&test), ["Connection Connected"]);
}

#[tokio::test]
async fn what_is_not_committed_is_not_announced() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.aws().calls().break_after("TransactWriteItems", 1);
    merchant.browser.come_from_elsewhere(&callback).await;
    test.stack.aws().calls().mend();
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 0);
}

#[tokio::test]
async fn while_the_bus_is_away_changes_wait_and_none_is_lost() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    test.stack.aws().calls().break_operation("PutEvents");
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 0);
    merchant.disconnect().await;
    test.stack.aws().calls().mend();
    test.stack.aws().refuse_events(Some("ThrottlingException"));
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 0);
    assert!(audited().is_empty(), "the audit line would be written twice");
    test.stack.aws().refuse_events(None);
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 2);
    assert_eq!(announced(&test), ["Connection Connected", "Connection Disconnected"]);
    assert_eq!(audited().len(), 2);
}

#[tokio::test]
async fn what_comes_before_an_unfinished_record_is_announced_and_not_skipped() {
    let (test, merchant) = TestStack::connected().await;
    merchant.disconnect().await;
    test.stack.aws().calls().break_operation("GetItem");
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 1);
    assert_eq!(announced(&test), ["Connection Connected"]);
    test.stack.aws().calls().mend();
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 1);
    assert_eq!(announced(&test), ["Connection Connected", "Connection Disconnected"]);
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_is_put_aside_and_holds_nobody_up() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    test.stack.aws().refuse_events(Some("MalformedDetail"));
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 1);
    let [message] = test.stack.aws().messages().try_into().unwrap();
    assert_eq!(
        (&message["problem"], &message["event"]),
        (&json!("MalformedDetail"), &json!("Connection Connected"))
    );
    assert_eq!(message["detail"]["user"], ROMASHKA);
    assert_eq!(audited().len(), 1, "it happened all the same");
    test.stack.aws().refuse_events(None);
    merchant.disconnect().await;
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(announced(&test), ["Connection Disconnected"]);
}

/// The records of everything that has happened so far, as the stream has them.
fn records(test: &TestStack) -> Vec<Value> {
    test.stack.aws().stream("ConnectionsTable").records(None, 100).unwrap()
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_without_its_images() {
    let (test, _) = TestStack::connected().await;
    let good = records(&test).remove(0);
    let mut poison = good.clone();
    poison["dynamodb"]["Keys"] = json!({ "user_id": { "S": ROMASHKA } });
    let odd = [poison, json!(null), json!({ "dynamodb": { "NewImage": [] } })];
    let batch = [&odd[..], &[good]].concat();
    let event = json!({ "Records": batch });
    let answer = test.stack.invoke("events", &event).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(announced(&test), ["Connection Connected"]);
    let messages = test.stack.aws().messages();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0]["problem"], "the record has no provider");
    assert_eq!(messages[0]["user"], ROMASHKA);
    assert!(!json!(messages).to_string().contains("access_token"));

    let event = json!({ "Records": odd });
    test.stack.aws().calls().break_operation("SendMessage");
    let answer = test.stack.invoke("events", &event).await.unwrap();
    assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], odd[0]["dynamodb"]["SequenceNumber"]);
}

#[tokio::test]
async fn a_batch_delivered_again_is_announced_once_by_a_warm_function_and_under_the_same_ids_by_a_cold_one() {
    let (test, merchant) = TestStack::signed_in().await;
    live_through_everything(&test, &merchant).await;
    let event = json!({ "Records": records(&test) });
    for _ in 0..2 {
        test.stack.invoke("events", &event).await.unwrap();
    }
    assert_eq!(announced(&test).len(), 5);
    let cold = test.stack.boot_again().await.unwrap();
    cold["events"].invoke("again", &event).await.unwrap();
    let details = details(&test);
    assert_eq!(details[..5], details[5..]);
}

#[tokio::test]
async fn killed_at_any_call_the_function_catches_up() {
    for (operation, refusal) in
        [("GetItem", None), ("PutEvents", None), ("SendMessage", Some("MalformedDetail"))]
    {
        let (test, merchant) = TestStack::signed_in().await;
        live_through_everything(&test, &merchant).await;
        test.stack.aws().refuse_events(refusal);
        test.stack.aws().calls().hold(operation);
        let killed = tokio::time::timeout(Duration::from_millis(300), test.stack.deliver_changes()).await;
        assert!(killed.is_err(), "it waits in {operation}");
        test.stack.aws().calls().release();
        test.stack.deliver_changes().await.unwrap();
        let aside = test.stack.aws().messages();
        let aside = aside.iter().map(|message| message["event"].as_str().unwrap().to_owned());
        let names: BTreeSet<_> = announced(&test).into_iter().chain(aside).collect();
        assert_eq!(names.len(), Change::VARIANTS.len(), "{operation}");
    }
}

#[tokio::test]
async fn a_row_restored_or_deleted_by_hand_is_an_operators_change() {
    let (test, _) = TestStack::connected().await;
    let mut row = test.connections().row().await;
    row.insert("changed_by".to_owned(), AttributeValue::S("operator".to_owned()));
    test.connections().delete(&row).await;
    test.connections().put(row.clone()).await;
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(announced(&test), ["Connection Connected", "Connection Disconnected", "Connection Connected"]);
    let by: Vec<_> = details(&test).iter().map(|detail| detail["by"].clone()).collect();
    assert_eq!(by, ["person", "operator", "operator"]);
    assert_eq!(details(&test)[2]["generation"], text(&row, "generation"));
}

#[tokio::test]
async fn a_tombstone_of_an_earlier_disconnection_signs_no_later_one() {
    let (test, merchant) = TestStack::connected().await;
    merchant.disconnect().await;
    test.clock.advance(SignedDuration::from_secs(1));
    merchant.connect(ANNA).await;
    test.connections().delete(&test.connections().row().await).await;
    test.stack.deliver_changes().await.unwrap();
    let by: Vec<_> = details(&test).iter().map(|detail| detail["by"].clone()).collect();
    assert_eq!(by, ["person", "person", "person", "operator"]);
}

#[tokio::test]
async fn without_a_bus_there_are_audit_lines_and_no_events() {
    start_log();
    let test = TestStack::with_parameters([("EventBusArn", "")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    merchant.connect(ANNA).await;
    test.stack.aws().calls().take();
    assert_eq!(test.stack.deliver_changes().await.unwrap(), 1);
    assert_eq!(audited().len(), 1);
    assert!(test.stack.aws().calls().take().is_empty(), "nobody is called");
}

/// Rows of the build before say nothing of who changed them.
#[tokio::test]
async fn a_change_of_a_row_that_names_nobody_is_announced_without() {
    let (test, _) = TestStack::connected().await;
    let mut row = test.connections().row().await;
    row.remove("changed_by");
    row.remove("changed_in");
    row.insert("generation".to_owned(), AttributeValue::S("another".to_owned()));
    test.connections().put(row).await;
    test.stack.deliver_changes().await.unwrap();
    let last = details(&test).pop().unwrap();
    assert_eq!((&last["by"], &last["correlation_id"]), (&json!(null), &json!(null)));
}
