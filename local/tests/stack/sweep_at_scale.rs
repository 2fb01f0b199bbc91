//! The sweep over many rows and many workers: nobody turns red by mistake, nobody is asked about twice,
//! nobody is left out.

use aws_sdk_dynamodb::types::AttributeValue;
use evosync_connections::domain::{Generation, Provider, UserId};
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use jiff::SignedDuration;
use local::vk::Fault;
use serde_json::{Value, json};

use crate::support::{ANNA, IVAN, LAVKA, Row, TestStack, logged, start_log, text};

fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap()
}

fn green(rows: &[Row]) -> usize {
    rows.iter().filter(|row| *row["is_online"].as_bool().unwrap()).count()
}

fn identity<'a>(user: &'a UserId, generation: &'a Generation) -> RowIdentity<'a> {
    RowIdentity { table: "ConnectionsTable", user, provider: Provider::Vk, generation }
}

impl TestStack {
    /// Green connections of as many merchants to Anna's account, each with a token that opens in its row.
    async fn with_green_rows(parameters: &[(&'static str, &'static str); 2], rows: usize) -> Self {
        let test = Self::with_parameters(*parameters).await;
        test.merchant(crate::support::ROMASHKA).await.connect(ANNA).await;
        let row = test.connections().row().await;
        let keys = TokenKeys::parse(&test.stack.aws().secret("local/token-keys").unwrap()).unwrap();
        let generation = Generation::from_stored(text(&row, "generation"));
        let sealed = row["access_token"].as_b().unwrap().as_ref();
        let first = UserId::parse(text(&row, "user_id")).unwrap();
        let tokens = keys.open(sealed, identity(&first, &generation)).unwrap();
        for index in 1..rows {
            let user = UserId::parse(&format!("copy-{index}")).unwrap();
            let sealed =
                keys.seal(&tokens, identity(&user, &generation), [index.to_le_bytes()[0]; 12]).unwrap();
            let mut copy = row.clone();
            copy.insert("user_id".to_owned(), AttributeValue::S(user.as_str().to_owned()));
            copy.insert("access_token".to_owned(), AttributeValue::B(sealed.into()));
            test.connections().put(copy).await;
        }
        test.stack.vk().take_calls();
        test
    }

    /// Green rows, and one worker without a queue.
    async fn green_rows(rows: usize) -> Self {
        Self::with_green_rows(&[("SweepSegments", "2"), ("SweepConcurrency", "4")], rows).await
    }

    /// Green rows, and workers woken by messages.
    async fn green_rows_by_queue(rows: usize) -> Self {
        let queue = "http://localhost/sweep";
        Self::with_green_rows(&[("SweepSegments", "4"), ("SweepQueue", queue)], rows).await
    }

    /// Delivers the queue's messages from the first to the last, those sent meanwhile too; the answers.
    async fn deliver_messages(&self) -> Vec<Value> {
        let mut answers = Vec::new();
        while let Some(message) = self.stack.aws().messages().get(answers.len()) {
            answers.push(self.stack.invoke("health-check", &delivery(message)).await.unwrap());
        }
        answers
    }
}

/// What the queue's mapping hands over.
fn delivery(message: &Value) -> Value {
    json!({ "Records": [{ "body": message.to_string(), "eventSource": "aws:sqs" }] })
}

#[tokio::test]
async fn a_final_answer_for_everybody_turns_nobody_red() {
    start_log();
    let test = TestStack::green_rows(40).await;
    test.stack.vk().revoke_tokens(ANNA);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "held"), count(&summary, "broken")), (40, 0));
    assert_eq!((&summary["tripped"], &summary["finished"]), (&json!(true), &json!(true)));
    let rows = test.connections().rows().await;
    assert_eq!(green(&rows), 40);
    assert!(rows.iter().all(|row| text(row, "last_attempt_result") == "held"));
    assert!(logged().contains("mass failure held back"));
}

#[tokio::test]
async fn one_revoked_token_turns_red_within_the_sweep_that_finds_it() {
    let test = TestStack::green_rows(3).await;
    test.merchant(LAVKA).await.connect(IVAN).await;
    test.stack.vk().take_calls();
    test.stack.vk().revoke_tokens(IVAN);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "broken"), count(&summary, "alive")), (1, 3));
    assert_eq!(test.stack.vk().take_calls().len(), 5, "the final answer is asked for twice");
    assert_eq!(green(&test.connections().rows().await), 3);
}

#[tokio::test]
async fn a_final_answer_that_is_not_repeated_is_not_believed() {
    let test = TestStack::green_rows(1).await;
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.vk().hold_answers();
    let mistaken = async {
        test.stack.vk().called(1).await;
        test.stack.aws().calls().hold("BatchExecuteStatement");
        test.stack.vk().release_answers();
        while !test.stack.aws().calls().take().contains(&"BatchExecuteStatement".to_owned()) {
            tokio::task::yield_now().await;
        }
        test.stack.vk().set_fault(Fault::Down);
        test.stack.aws().calls().release();
    };
    let (summary, ()) = futures_util::join!(test.stack.sweep(), mistaken);
    let summary = summary.unwrap();
    assert_eq!((count(&summary, "broken"), count(&summary, "transient")), (0, 1));
    assert_eq!(green(&test.connections().rows().await), 1);
}

#[tokio::test]
async fn an_operator_lets_a_mass_failure_through() {
    let test = TestStack::green_rows(12).await;
    test.stack.vk().revoke_tokens(ANNA);
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "held"), 12);
    let mut run = test.sweep_run().await;
    run.insert("allow_until".to_owned(), AttributeValue::S("2026-11-22T05:16:00Z".to_owned()));
    test.sessions().put(run).await;
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "broken"), 12);
    assert_eq!(green(&test.connections().rows().await), 0);
}

impl TestStack {
    async fn sweep_run(&self) -> Row {
        let rows = self.sessions().rows().await;
        rows.into_iter().find(|row| text(row, "id") == "sweep:run").unwrap()
    }
}

#[tokio::test]
async fn the_schedule_asks_about_a_connection_once_in_its_period() {
    let test = TestStack::green_rows(3).await;
    let tick = async || test.stack.sweeper().tick().await.unwrap();
    assert_eq!(count(&tick().await, "not_due"), 3, "connected just now");
    test.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(count(&tick().await, "alive"), 3);
    for _ in 0..2 {
        let summary = tick().await;
        assert_eq!(
            (count(&summary, "not_due"), &summary["finished"]),
            (3, &json!(true)),
            "the same event again"
        );
    }
    assert_eq!(test.stack.vk().take_calls().len(), 3);
    test.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(count(&tick().await, "alive"), 3);
}

#[tokio::test]
async fn a_broken_connection_is_asked_about_ever_more_seldom() {
    let test = TestStack::green_rows(1).await;
    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(count(&test.stack.sweeper().tick().await.unwrap(), "broken"), 1);
    test.stack.vk().take_calls();
    for _ in 0..4 * 24 {
        test.clock.advance(SignedDuration::from_mins(15));
        test.stack.sweeper().tick().await.unwrap();
    }
    let asked = test.stack.vk().take_calls().len();
    assert!((3..16).contains(&asked), "{asked} times in a day");
}

#[tokio::test]
async fn an_outage_costs_few_calls_and_the_next_sweep_begins_with_who_was_left_out() {
    let test = TestStack::green_rows(60).await;
    let tick = async || {
        test.clock.advance(SignedDuration::from_mins(15));
        test.stack.sweeper().tick().await.unwrap()
    };
    test.stack.vk().set_fault(Fault::Down);
    let summary = tick().await;
    let calls = test.stack.vk().take_calls().len();
    assert!(calls <= 12, "{calls}");
    assert_eq!((&summary["finished"], count(&summary, "broken")), (&json!(true), 0));
    let left_out = count(&summary, "unreached");
    assert!(left_out > 50);
    test.stack.vk().set_fault(Fault::None);
    assert_eq!(count(&tick().await, "alive"), left_out);
    assert_eq!(count(&test.stack.sweeper().tick().await.unwrap(), "alive"), 60 - left_out);
}

#[tokio::test]
async fn our_own_fault_ends_the_asking_after_a_dozen() {
    let test = TestStack::green_rows(40).await;
    test.stack.vk().answer_with_error(ANNA, Some(8));
    let summary = test.stack.sweep().await.unwrap();
    assert!((12..=13).contains(&count(&summary, "our_fault")), "{summary}");
    assert_eq!(summary["finished"], true);
}

#[tokio::test]
async fn messages_wake_a_worker_for_each_segment_and_the_last_one_closes() {
    start_log();
    let test = TestStack::green_rows_by_queue(30).await;
    let begun = test.stack.sweep().await.unwrap();
    assert_eq!((&begun["finished"], count(&begun, "alive")), (&json!(false), 0));
    assert_eq!(test.stack.aws().messages().len(), 4);
    let answers = test.deliver_messages().await;
    let last = answers.last().unwrap();
    assert_eq!((&last["finished"], count(last, "alive")), (&json!(true), 30));
    assert_eq!(test.stack.vk().take_calls().len(), 30);
    assert_eq!(logged().matches("sweep finished").count(), 1, "reported once, as a whole");
    let stored: Value = serde_json::from_str(text(&test.sweep_run().await, "run_summary")).unwrap();
    assert_eq!(stored, *last, "operators read it in the run's row");
}

#[tokio::test]
async fn messages_that_are_repeated_late_or_nonsense_do_no_harm() {
    let test = TestStack::green_rows_by_queue(10).await;
    test.stack.sweep().await.unwrap();
    let run = &test.stack.aws().messages()[0]["run"];
    for message in [json!({ "run": run, "segment": 99 }), json!({ "run": run })] {
        let answer = test.stack.invoke("health-check", &delivery(&message)).await.unwrap();
        assert_eq!(answer["finished"], false, "the segments are open: {message}");
    }
    test.deliver_messages().await;
    test.stack.vk().take_calls();
    let sent = test.stack.aws().messages();
    let nonsense = json!({ "run": "another", "segment": 1 });
    for message in sent.iter().chain([&nonsense, &json!({ "run": sent[0]["run"], "segment": 99 })]) {
        let answer = test.stack.invoke("health-check", &delivery(message)).await.unwrap();
        assert_eq!(answer["finished"], false, "{message}");
    }
    assert!(test.stack.vk().take_calls().is_empty());
}

#[tokio::test]
async fn in_a_table_of_few_rows_for_each_segment_a_final_answer_for_everybody_turns_nobody_red() {
    let test = TestStack::green_rows_by_queue(12).await;
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    let answers = test.deliver_messages().await;
    assert_eq!(count(answers.last().unwrap(), "held"), 12);
    assert_eq!(green(&test.connections().rows().await), 12);
}

#[tokio::test]
async fn a_worker_that_was_killed_is_replaced_when_its_lease_ends() {
    let test = TestStack::green_rows(6).await;
    test.stack.vk().hold_answers();
    let killed = async {
        test.stack.vk().called(1).await;
    };
    {
        let sweep = std::pin::pin!(test.stack.sweep());
        futures_util::future::select(sweep, std::pin::pin!(killed)).await;
    }
    test.stack.vk().release_answers();
    let tick = async || test.stack.sweeper().tick().await.unwrap();
    assert_eq!(tick().await["finished"], false, "its lease lasts");
    test.clock.advance(SignedDuration::from_mins(15));
    let summary = tick().await;
    assert_eq!((count(&summary, "alive"), &summary["finished"]), (6, &json!(true)));
}

#[tokio::test]
async fn rows_of_an_old_key_are_re_encrypted_also_when_they_are_not_due() {
    let test = TestStack::green_rows(3).await;
    let mut keys: Value =
        serde_json::from_str(&test.stack.aws().secret("local/token-keys").unwrap()).unwrap();
    keys["2"] = "a second key of more than thirty-two characters".into();
    keys["current"] = "2".into();
    test.stack.aws().put_secret("local/token-keys", &keys.to_string());
    let summary = test.stack.sweeper().tick().await.unwrap();
    assert_eq!((count(&summary, "not_due"), count(&summary, "resealed")), (3, 3));
    assert!(test.stack.vk().take_calls().is_empty());
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "alive"), 3);
}
