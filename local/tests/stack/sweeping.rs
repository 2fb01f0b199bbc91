//! The sweep: what each answer of VK does to a connection, and what it must never do.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use local::vk::Fault;
use serde_json::Value;

use crate::support::{ANNA, IVAN, LAVKA, ROMASHKA, TestStack, logged, logged_by, start_log, text};

fn is_online(row: &crate::support::Row) -> bool {
    *row["is_online"].as_bool().unwrap()
}

/// The id of the key that a row's token is sealed with.
fn key_id(row: &crate::support::Row) -> String {
    let sealed = row["access_token"].as_b().unwrap().as_ref();
    String::from_utf8(sealed[2..2 + usize::from(sealed[1])].to_vec()).unwrap()
}

fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap()
}

#[tokio::test]
async fn every_connection_is_asked_about_once_and_counted() {
    let test = TestStack::start().await;
    for (person, account) in [(ROMASHKA, ANNA), (LAVKA, IVAN), ("demo|empty", ANNA)] {
        test.merchant(person).await.connect(account).await;
    }
    test.stack.vk().take_calls();
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "alive"), &summary["finished"]), (3, &Value::Bool(true)));
    let calls = test.stack.vk().take_calls();
    assert_eq!(calls.iter().filter(|call| call.path == "/method/users.get").count(), 3);
}

#[tokio::test]
async fn final_answers_turn_a_connection_off_and_say_why() {
    let table = [
        (5, "token_rejected"),
        (1117, "token_rejected"),
        (18, "account_unavailable"),
        (3610, "account_unavailable"),
        (17, "action_required"),
        (3302, "action_required"),
        (7, "permission_missing"),
        (27, "wrong_token_kind"),
    ];
    let test = TestStack::start().await;
    for (code, reason) in table {
        test.merchant(ROMASHKA).await.connect(ANNA).await;
        test.clock.advance(SignedDuration::from_mins(1));
        test.stack.vk().answer_with_error(ANNA, Some(code));
        let summary = test.stack.sweep().await.unwrap();
        assert_eq!((count(&summary, "dead"), count(&summary, "broken")), (1, 1), "VK's error {code}");
        let row = test.connections().row().await;
        assert!(!is_online(&row));
        assert_eq!((text(&row, "offline_reason"), text(&row, "last_attempt_result")), (reason, reason));
        assert_eq!(text(&row, "last_checked_at"), text(&row, "updated_at"));
        assert!(text(&row, "last_checked_at") > text(&row, "connected_at"));
        test.stack.vk().answer_with_error(ANNA, None);
    }
}

#[tokio::test]
async fn answers_that_prove_nothing_keep_the_state_and_note_the_try() {
    let table = [
        (6, "transient", 3),
        (10, "transient", 3),
        (14, "inconclusive", 1),
        (12345, "inconclusive", 1),
        (8, "our_fault", 1),
        (15, "inconclusive", 1),
    ];
    for (code, class, tries) in table {
        let (test, _) = TestStack::connected().await;
        test.stack.vk().take_calls();
        let before = test.connections().row().await;
        test.clock.advance(SignedDuration::from_mins(1));
        test.stack.vk().answer_with_error(ANNA, Some(code));
        let summary = test.stack.sweep().await.unwrap();
        assert_eq!(count(&summary, class), 1, "VK's error {code}");
        assert_eq!(summary["oldest_check"], text(&before, "last_checked_at"));
        assert_eq!(test.stack.vk().take_calls().len(), tries, "VK's error {code}");
        let row = test.connections().row().await;
        assert!(is_online(&row));
        for name in ["last_checked_at", "updated_at", "generation"] {
            assert_eq!(row[name], before[name], "{name}");
        }
        assert_eq!(text(&row, "last_attempt_result"), class);
        assert!(text(&row, "last_attempt_at") > text(&before, "last_attempt_at"));
    }
}

#[tokio::test]
async fn no_fault_at_vk_turns_a_connection_off() {
    for fault in [
        Fault::Down,
        Fault::Maintenance,
        Fault::RateLimited,
        Fault::Garbled,
        Fault::Challenge,
        Fault::Redirecting,
        Fault::Endless,
        Fault::Slow,
    ] {
        let (test, _) = TestStack::connected().await;
        test.stack.vk().set_fault(fault);
        test.stack.sweep().await.unwrap();
        assert!(is_online(&test.connections().row().await), "{fault:?}");
    }
}

#[tokio::test]
async fn a_passing_fault_is_retried_and_forgotten() {
    let (test, _) = TestStack::connected().await;
    test.stack.vk().take_calls();
    test.stack.vk().set_fault(Fault::RateLimited);
    let sweep = test.stack.sweep();
    let mend = async {
        test.stack.vk().called(1).await;
        test.stack.vk().set_fault(Fault::None);
    };
    let (summary, ()) = futures_util::join!(sweep, mend);
    let summary = summary.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "transient")), (1, 0));
}

#[tokio::test]
async fn a_broken_connection_that_works_again_turns_green() {
    let (test, _) = TestStack::connected().await;
    test.stack.vk().deactivate(ANNA, Some("banned"));
    test.stack.sweep().await.unwrap();
    assert_eq!(text(&test.connections().row().await, "offline_reason"), "account_unavailable");
    test.stack.vk().deactivate(ANNA, None);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!(count(&summary, "recovered"), 1);
    let row = test.connections().row().await;
    assert!(is_online(&row) && !row.contains_key("offline_reason"));
}

#[tokio::test]
async fn a_token_that_turned_out_to_be_another_accounts_proves_nothing() {
    let (test, _) = TestStack::connected().await;
    let mut row = test.connections().row().await;
    row.insert("vk_user_id".to_owned(), AttributeValue::S("999".to_owned()));
    test.connections().put(row).await;
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!(count(&summary, "inconclusive"), 1);
    assert!(is_online(&test.connections().row().await));
}

#[tokio::test]
async fn a_verdict_on_a_connection_disconnected_meanwhile_brings_nothing_back() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let disconnect = async {
        test.stack.vk().called(1).await;
        merchant.disconnect().await;
        test.stack.vk().release_answers();
    };
    let (summary, ()) = futures_util::join!(test.stack.sweep(), disconnect);
    assert_eq!(count(&summary.unwrap(), "superseded"), 1);
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_verdict_on_an_old_token_does_not_change_the_new_one() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().take_calls();
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.vk().hold_answers();
    let before = test.connections().row().await;
    let reconnect = async {
        test.stack.vk().called(1).await;
        // The sweep's own question is held; the reconnection's are asked of a released VK.
        let consent = merchant.start_connecting().await;
        let callback = merchant.allow(&consent, ANNA).await;
        let arrive = merchant.browser.come_from_elsewhere(&callback);
        let release = async {
            test.stack.vk().called(4).await;
            test.stack.aws().calls().hold("BatchExecuteStatement");
            test.stack.vk().release_answers();
        };
        futures_util::join!(arrive, release);
        test.stack.aws().calls().release();
    };
    let (summary, ()) = futures_util::join!(test.stack.sweep(), reconnect);
    assert_eq!(count(&summary.unwrap(), "superseded"), 1);
    let row = test.connections().row().await;
    assert!(is_online(&row) && !row.contains_key("offline_reason"));
    assert_ne!(row["generation"], before["generation"]);
}

#[tokio::test]
async fn reconnecting_keeps_nothing_of_the_old_failure() {
    let (test, merchant) = TestStack::connected().await;
    let fresh: std::collections::BTreeSet<_> = test.connections().row().await.into_keys().collect();
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    test.clock.advance(SignedDuration::from_mins(1));
    merchant.connect(ANNA).await;
    let row = test.connections().row().await;
    assert_eq!(row.keys().cloned().collect::<std::collections::BTreeSet<_>>(), fresh);
    assert_eq!(text(&row, "connected_at"), "2026-11-22T04:17:00Z");
    assert_eq!(text(&row, "last_checked_at"), "2026-11-22T04:17:00Z");
    assert_eq!(text(&row, "updated_at"), "2026-11-22T04:17:00Z");
}

#[tokio::test]
async fn a_token_moved_to_another_row_opens_nowhere_and_asks_for_reconnection() {
    let test = TestStack::start().await;
    for (person, account) in [(ROMASHKA, ANNA), (LAVKA, IVAN)] {
        test.merchant(person).await.connect(account).await;
    }
    let rows = test.connections().rows().await;
    for (index, other) in [(0, 1), (1, 0)] {
        let mut row = rows[index].clone();
        row.insert("access_token".to_owned(), rows[other]["access_token"].clone());
        test.connections().put(row).await;
    }
    test.stack.vk().take_calls();
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "dead"), count(&summary, "unreadable")), (2, 2));
    assert!(test.stack.vk().take_calls().is_empty());
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.open("/vk").await.text().contains("Нужно подключить аккаунт заново"));
}

#[tokio::test]
async fn tokens_open_with_old_keys_and_are_re_encrypted_with_the_new_one() {
    let (test, _) = TestStack::connected().await;
    let mut keys: Value =
        serde_json::from_str(&test.stack.aws().secret("local/token-keys").unwrap()).unwrap();
    keys["2"] = "a second key of more than thirty-two characters".into();
    keys["current"] = "2".into();
    test.stack.aws().put_secret("local/token-keys", &keys.to_string());
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "alive"), 1);
    test.clock.advance(SignedDuration::from_mins(5));
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    assert_eq!(key_id(&test.connections().row().await), "2");
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "alive"), 1);
}

#[tokio::test]
async fn a_sweep_re_encrypts_with_the_current_key_so_that_the_old_one_can_be_removed() {
    let (test, _) = TestStack::connected().await;
    assert_eq!(key_id(&test.connections().row().await), "1");
    let second = "a second key of more than thirty-two characters";
    let mut keys: Value =
        serde_json::from_str(&test.stack.aws().secret("local/token-keys").unwrap()).unwrap();
    keys["2"] = second.into();
    keys["current"] = "2".into();
    test.stack.aws().put_secret("local/token-keys", &keys.to_string());
    // Not even an outage at VK keeps a token under the old key.
    test.stack.vk().set_fault(Fault::Down);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "transient"), count(&summary, "resealed")), (1, 1));
    assert_eq!(key_id(&test.connections().row().await), "2");
    test.stack.vk().set_fault(Fault::None);
    let without_the_old = format!(r#"{{"current":"2","2":"{second}"}}"#);
    test.stack.aws().put_secret("local/token-keys", &without_the_old);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "resealed")), (1, 0));
}

#[tokio::test]
async fn a_missing_or_replaced_key_is_our_fault_and_keeps_the_connection() {
    for id in ["9", "1"] {
        let (test, _) = TestStack::connected().await;
        let other =
            format!(r#"{{"current":"{id}","{id}":"another key of more than thirty-two characters"}}"#);
        test.stack.aws().put_secret("local/token-keys", &other);
        assert_eq!(count(&test.stack.sweep().await.unwrap(), "our_fault"), 1, "{id}");
        assert!(is_online(&test.connections().row().await));
    }
}

#[tokio::test]
async fn rows_nobody_can_read_do_not_stop_the_sweep() {
    let (test, _) = TestStack::connected().await;
    let bare = |user: &str, provider: &str| {
        [("user_id", user), ("provider", provider)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
            .into()
    };
    test.connections().put(bare("poison", "vk")).await;
    test.connections().put(bare("later", "a provider of a later build")).await;
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "malformed")), (1, 2));
    assert_eq!(test.connections().rows().await.len(), 3);
}

/// Nobody asks about such a token, so its page must not go on saying that it works.
#[tokio::test]
async fn a_row_without_generation_is_shown_as_broken_counted_and_repaired_by_reconnecting() {
    start_log();
    let (test, merchant) = TestStack::connected().await;
    let mut row = test.connections().row().await;
    row.remove("generation");
    test.connections().put(row).await;
    assert!(merchant.dashboard().await.contains("Нужно переподключить"));
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "damaged"), count(&summary, "alive")), (1, 0));
    let line = |text: &str| logged().lines().find(|line| line.contains(text)).unwrap_or_default().to_owned();
    assert!(line("connection's row is damaged").contains(ROMASHKA));
    assert!(line("sweep finished").contains("\"level\":\"ERROR\""));
    merchant.connect(ANNA).await;
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "alive"), 1);
    assert!(merchant.dashboard().await.contains("Подключено"));
}

impl TestStack {
    /// Twelve broken, unopenable rows that come first in the table, four megabytes in pages of one.
    async fn put_megabytes_before(&self) {
        let mut template = self.connections().rows().await.remove(0);
        template.insert("is_online".to_owned(), AttributeValue::Bool(false));
        for index in 0..12 {
            let mut row = template.clone();
            row.insert("user_id".to_owned(), AttributeValue::S(format!("before-{index}")));
            row.insert("filler".to_owned(), AttributeValue::S("f".repeat(350_000)));
            self.connections().put(row).await;
        }
        self.stack.vk().take_calls();
    }
}

/// A sweep whose first question to VK is answered when thirty seconds of its fourteen minutes are left.
async fn sweep_past_its_deadline(test: &TestStack) -> Value {
    test.stack.vk().hold_answers();
    let late = async {
        test.stack.vk().called(1).await;
        test.clock.advance(SignedDuration::from_secs(14 * 60 - 30));
        test.stack.vk().release_answers();
    };
    let (summary, ()) = futures_util::join!(test.stack.sweep(), late);
    summary.unwrap()
}

#[tokio::test]
async fn the_sweep_begins_nothing_after_its_deadline_and_the_next_one_goes_on_from_there() {
    // One at a time, so that the second connection waits while the first is asked about.
    let test = TestStack::with_parameters([("SweepConcurrency", "1")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    test.merchant(LAVKA).await.connect(IVAN).await;
    let connected_at = text(&test.connections().rows().await[0], "last_checked_at").to_owned();
    test.stack.vk().take_calls();
    let summary = sweep_past_its_deadline(&test).await;
    assert_eq!((&summary["finished"], count(&summary, "unreached")), (&Value::Bool(false), 1));
    assert_eq!(count(&summary, "alive"), 1, "what was under way is recorded");
    assert_eq!(summary["oldest_check"], *connected_at, "the one it did not reach");
    assert_eq!(test.stack.vk().take_calls().len(), 1);

    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["finished"], &summary["oldest_check"]), (&Value::Bool(true), &Value::Null));
}

#[tokio::test]
async fn the_next_sweep_begins_with_the_page_that_the_deadline_cut_short() {
    let test = TestStack::with_parameters([("SweepConcurrency", "1")]).await;
    for (person, account) in [(ROMASHKA, ANNA), (LAVKA, IVAN)] {
        test.merchant(person).await.connect(account).await;
    }
    test.put_megabytes_before().await;
    let summary = sweep_past_its_deadline(&test).await;
    assert_eq!((count(&summary, "dead"), count(&summary, "unreached")), (12, 1));
    test.stack.aws().calls().take();
    // Another environment of the function knows nothing but what the rows say.
    let cold = test.stack.boot_again().await.unwrap();
    let summary = cold["health-check"].invoke("cold", &serde_json::json!({})).await.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "dead")), (2, 12), "of the whole sweep");
    assert_eq!(summary["finished"], true);
    let scans = test.stack.aws().calls().take().into_iter().filter(|call| call == "Scan").count();
    assert!(scans < 3, "{scans}: it began in the middle");
}

#[tokio::test]
async fn nothing_is_recorded_of_what_the_deadline_left_no_time_for() {
    let test = TestStack::with_parameters([("SweepConcurrency", "1")]).await;
    test.merchant(ROMASHKA).await.connect(ANNA).await;
    test.stack.vk().take_calls();
    let mut unopenable = test.connections().row().await;
    unopenable.insert("user_id".to_owned(), AttributeValue::S("later-in-the-table".to_owned()));
    test.connections().put(unopenable.clone()).await;
    assert_eq!(count(&sweep_past_its_deadline(&test).await, "unreached"), 1);
    assert!(test.connections().rows().await.contains(&unopenable));
}

#[tokio::test]
async fn a_passing_fault_is_not_tried_again_after_the_deadline() {
    let (test, _) = TestStack::connected().await;
    test.stack.vk().take_calls();
    test.stack.vk().set_fault(Fault::RateLimited);
    assert_eq!(count(&sweep_past_its_deadline(&test).await, "transient"), 1);
    assert_eq!(test.stack.vk().take_calls().len(), 1);
}

#[tokio::test]
async fn a_verdict_whose_answer_is_lost_is_announced() {
    start_log();
    let (test, _) = TestStack::connected().await;
    test.clock.advance(SignedDuration::from_mins(1));
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.aws().calls().lose_after("BatchExecuteStatement", 1);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "broken"), count(&summary, "superseded")), (1, 0));
    test.stack.deliver_changes().await.unwrap();
    assert_eq!(logged_by("audit").last().unwrap()["fields"]["event"], "broken");
}

#[tokio::test]
async fn a_verdict_waits_for_a_transaction_on_its_row() {
    let (test, _) = TestStack::connected().await;
    test.stack.aws().calls().conflict("BatchExecuteStatement", 2);
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "unrecorded")), (1, 0));
}

#[tokio::test]
async fn a_sweep_that_cannot_read_on_is_continued_where_it_was() {
    let test = TestStack::with_parameters([("SweepConcurrency", "1")]).await;
    for (person, account) in [(ROMASHKA, ANNA), (LAVKA, IVAN)] {
        test.merchant(person).await.connect(account).await;
    }
    test.put_megabytes_before().await;
    sweep_past_its_deadline(&test).await;
    test.stack.aws().calls().break_operation("Scan");
    assert!(test.stack.sweep().await.is_err());
    test.stack.aws().calls().mend();
    test.stack.vk().take_calls();
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "alive"), count(&summary, "dead")), (2, 12));
    assert_eq!(test.stack.vk().take_calls().len(), 1, "the other has been asked about");
}

#[tokio::test]
async fn of_two_sweeps_at_once_one_asks() {
    let (test, _) = TestStack::connected().await;
    test.clock.advance(SignedDuration::from_mins(15));
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let second = async {
        test.stack.vk().called(1).await;
        let second = test.stack.sweep().await.unwrap();
        test.stack.vk().release_answers();
        second
    };
    let (first, second) = futures_util::join!(test.stack.sweep(), second);
    let first = first.unwrap();
    assert_eq!((count(&first, "alive"), &first["finished"]), (1, &Value::Bool(true)));
    assert_eq!((count(&second, "alive"), &second["finished"]), (0, &Value::Bool(false)));
    assert_eq!(test.stack.vk().take_calls().len(), 1);
}

#[tokio::test]
async fn a_store_that_fails_during_the_sweep_is_counted_and_nothing_is_lost() {
    let (test, _) = TestStack::connected().await;
    let checked_at = text(&test.connections().row().await, "last_checked_at").to_owned();
    test.stack.aws().calls().break_operation("BatchExecuteStatement");
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((count(&summary, "unrecorded"), &summary["oldest_check"]), (1, &Value::String(checked_at)));
    test.stack.aws().calls().break_operation("Scan");
    assert!(test.stack.sweep().await.is_err());
    test.stack.aws().calls().mend();
    assert_eq!(count(&test.stack.sweep().await.unwrap(), "alive"), 1);
}

#[tokio::test]
async fn of_a_thousand_rows_none_is_left_out() {
    let (test, _) = TestStack::connected().await;
    let mut row = test.connections().row().await;
    row.insert("is_online".to_owned(), AttributeValue::Bool(false));
    for index in 0..1_000 {
        let mut copy = row.clone();
        copy.insert("user_id".to_owned(), AttributeValue::S(format!("copy-{index}")));
        test.connections().put(copy).await;
    }
    test.stack.aws().calls().take();
    let summary = test.stack.sweep().await.unwrap();
    // A sealed token opens only in its own row, so the copies stay broken; what counts is that none was left
    // out, and that 25 of them are one call.
    assert_eq!((count(&summary, "alive"), count(&summary, "dead")), (1, 1_000));
    assert_eq!(summary["finished"], true);
    let calls = test.stack.aws().calls().take();
    let writes = calls.iter().filter(|call| *call == "BatchExecuteStatement").count();
    assert!(writes <= 1_001 / 25 + 2, "{writes}");
}
