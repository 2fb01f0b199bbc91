//! After a disconnection the tokens are ended at VK too, as far as VK lets us, and nobody waits for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evosync_connections::config::Env;
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::providers::Registered;
use jiff::SignedDuration;
use local::testing::repeatable_entropy;
use local::vk::{Call, Fault, Switch};
use serde_json::{Value, json};

use crate::leaks::own_lines;
use crate::support::{ANNA, IVAN, LAVKA, Merchant, ROMASHKA, TestStack, logged, logged_by, start_log};

const LOGOUT: &str = "/id/oauth2/logout";
const REVOKE: &str = "/id/oauth2/revoke";

/// A stack of VK ID where Maria has connected Anna's account.
async fn connected() -> (TestStack, Merchant) {
    connected_with([("VkFlow", "vk_id")]).await
}

async fn connected_with<const N: usize>(parameters: [(&str, &str); N]) -> (TestStack, Merchant) {
    let test = TestStack::with_parameters(parameters).await;
    let merchant = test.merchant(ROMASHKA).await;
    assert_eq!(merchant.connect(ANNA).await.path(), "/connections");
    test.stack.vk().take_calls();
    (test, merchant)
}

/// Delivers the changes, and says which of VK's paths were called since the last time.
async fn delivered(test: &TestStack) -> Vec<String> {
    test.stack.deliver_changes().await.unwrap();
    test.stack.vk().take_calls().into_iter().map(|Call { path, .. }| path).collect()
}

/// What the function has counted: ended, nothing to end, failed.
fn counted() -> [u64; 3] {
    let lines = logged_by("metrics");
    ["Revoked", "NothingToRevoke", "RevocationsFailed"]
        .map(|name| lines.iter().filter_map(|line| line["fields"][name].as_u64()).sum())
}

/// The stream's newest record.
fn last_record(test: &TestStack) -> Value {
    test.stack.aws().stream("ConnectionsTable").records(None, 100).unwrap().pop().unwrap()
}

/// Where a sealed record has its version, and the id of its key.
const VERSION: usize = 0;
const KEY_ID: usize = 2;

/// A record with another byte in its sealed tokens.
fn with_byte(record: &Value, at: usize) -> Value {
    let mut record = record.clone();
    let sealed = &mut record["dynamodb"]["OldImage"]["access_token"]["B"];
    let mut bytes = STANDARD.decode(sealed.as_str().unwrap()).unwrap();
    bytes[at] = b'9';
    *sealed = json!(STANDARD.encode(bytes));
    record
}

#[tokio::test]
async fn disconnecting_ends_the_session_at_vk_and_no_other_of_the_account() {
    start_log();
    let (test, maria) = connected().await;
    let boris = test.merchant(LAVKA).await;
    boris.connect(ANNA).await;
    assert_eq!(test.stack.vk().living_sessions(ANNA), 2);
    test.stack.vk().take_calls();
    maria.disconnect().await;
    assert_eq!(test.stack.vk().living_sessions(ANNA), 2, "disconnecting itself asks nobody");
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 1);
    assert_eq!(test.stack.sweep().await.unwrap()["alive"], 1, "Boris's lives on");
    assert_eq!(counted(), [1, 0, 0]);
}

#[tokio::test]
async fn the_whole_grant_is_withdrawn_where_that_is_configured() {
    let (test, maria) = connected_with([("VkFlow", "vk_id"), ("VkRevoke", "grant")]).await;
    test.merchant(LAVKA).await.connect(ANNA).await;
    test.merchant("demo|empty").await.connect(IVAN).await;
    test.stack.vk().take_calls();
    maria.disconnect().await;
    assert_eq!(delivered(&test).await, [REVOKE]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 0);
    assert_eq!(test.stack.vk().living_sessions(IVAN), 1);
}

#[tokio::test]
async fn a_token_of_the_classic_flow_is_not_asked_about() {
    start_log();
    let (test, merchant) = connected_with([("VkFlow", "classic")]).await;
    merchant.disconnect().await;
    assert!(delivered(&test).await.is_empty());
    assert_eq!(counted(), [0, 1, 0]);
}

#[tokio::test]
async fn reconnecting_and_sweeping_end_nothing() {
    start_log();
    let (test, merchant) = connected().await;
    merchant.connect(ANNA).await;
    test.stack.sweep().await.unwrap();
    let calls = delivered(&test).await;
    assert!(calls.iter().all(|path| path != LOGOUT && path != REVOKE), "{calls:?}");
    assert_eq!(test.stack.vk().living_sessions(ANNA), 2);
    assert_eq!(counted(), [0, 0, 0]);
}

#[tokio::test]
async fn a_lapsed_token_settles_and_its_refresh_token_is_not_spent() {
    start_log();
    let (test, merchant) = connected().await;
    test.clock.advance(SignedDuration::from_hours(2));
    merchant.sign_in(ROMASHKA).await;
    merchant.disconnect().await;
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 1, "it ends with the age of its refresh token");
    assert_eq!(test.stack.vk().refresh_tokens().len(), 1);
    assert_eq!(counted(), [0, 1, 0]);
    assert!(delivered(&test).await.is_empty(), "and is not tried again");
}

#[tokio::test]
async fn while_vk_cannot_be_asked_the_merchant_notices_nothing_and_it_is_tried_again() {
    for fault in [Fault::Down, Fault::Maintenance, Fault::RateLimited, Fault::Garbled, Fault::Challenge] {
        start_log();
        let (test, merchant) = connected().await;
        test.stack.vk().set_fault(fault);
        let page = merchant.disconnect().await;
        assert!(page.text().contains("Подключить ВКонтакте"), "{fault:?}");
        assert_eq!(delivered(&test).await, [LOGOUT], "{fault:?}");
        assert_eq!(delivered(&test).await, [LOGOUT], "{fault:?}");
        test.stack.vk().set_fault(Fault::None);
        assert_eq!(test.stack.vk().living_sessions(ANNA), 1, "{fault:?}");
        assert_eq!(delivered(&test).await, [LOGOUT], "{fault:?}");
        assert_eq!(test.stack.vk().living_sessions(ANNA), 0, "{fault:?}");
        assert!(delivered(&test).await.is_empty(), "{fault:?}");
    }
    assert_eq!(counted(), [5, 0, 0]);
}

#[tokio::test]
async fn asked_for_fewer_requests_it_waits_for_the_next_delivery() {
    let (test, merchant) = connected().await;
    test.stack.vk().set_switch(Switch::SlowDown, true);
    merchant.disconnect().await;
    assert_eq!(delivered(&test).await, [LOGOUT]);
    test.stack.vk().set_switch(Switch::SlowDown, false);
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 0);
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_waited_for() {
    let (test, merchant) = connected().await;
    merchant.disconnect().await;
    test.clock.advance(SignedDuration::from_mins(6));
    test.stack.aws().calls().break_operation("GetSecretValue");
    assert!(delivered(&test).await.is_empty());
    test.stack.aws().calls().mend();
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 0);
}

#[tokio::test]
async fn after_half_an_hour_it_is_given_up_and_counted() {
    start_log();
    let (test, merchant) = connected().await;
    merchant.disconnect().await;
    test.stack.vk().set_fault(Fault::Down);
    test.clock.advance(SignedDuration::from_mins(29));
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(counted(), [0, 0, 0]);
    test.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(delivered(&test).await, [LOGOUT]);
    assert_eq!(counted(), [0, 0, 1]);
    assert!(delivered(&test).await.is_empty());
}

#[tokio::test]
async fn a_record_that_waits_holds_up_no_other_of_its_batch() {
    let (test, merchant) = connected().await;
    merchant.disconnect().await;
    let good = last_record(&test);
    // Its key is unknown, and the keys cannot be read a second time.
    let mut waits = with_byte(&good, KEY_ID);
    waits["dynamodb"]["SequenceNumber"] = json!("1");
    test.stack.aws().calls().break_after("GetSecretValue", 1);
    test.clock.advance(SignedDuration::from_mins(6));
    let event = json!({ "Records": [waits, good] });
    let answer = test.stack.invoke("revoke", &event).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] }));
    assert_eq!(test.stack.vk().living_sessions(ANNA), 0);
}

#[tokio::test]
async fn what_cannot_be_opened_or_read_is_counted_and_dropped() {
    start_log();
    let (test, merchant) = connected().await;
    merchant.disconnect().await;
    let good = last_record(&test);
    let with = |pointer: &str, value: Value| {
        let mut record = good.clone();
        *record.pointer_mut(pointer).unwrap() = value;
        record
    };
    let failing = [
        with_byte(&good, VERSION),
        with_byte(&good, KEY_ID),
        with("/dynamodb/OldImage/access_token/B", json!("")),
        with("/dynamodb/OldImage/generation/S", json!("another")),
        with("/dynamodb/Keys/user_id", json!(null)),
        with("/dynamodb/OldImage", json!(null)),
        with("/dynamodb/ApproximateCreationDateTime", json!("soon")),
    ];
    let nothing = [
        with("/dynamodb/OldImage/generation", json!(null)),
        with("/dynamodb/OldImage/access_token", json!(null)),
        with("/dynamodb/Keys/provider/S", json!("of a later build")),
        with("/eventName", json!("MODIFY")),
        json!(null),
    ];
    let records = [&failing[..], &nothing, &[good]].concat();
    let event = json!({ "Records": records });
    let answer = test.stack.invoke("revoke", &event).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(counted(), [1, nothing.len() as u64, failing.len() as u64]);
    assert_eq!(test.stack.vk().living_sessions(ANNA), 0);
    for told in
        ["does not know", "not among the token keys", "does not fit the row", "the record has no user"]
    {
        assert!(logged().contains(told), "{told}");
    }
}

#[tokio::test]
async fn an_application_that_vk_does_not_know_is_refused_and_counted() {
    start_log();
    let (test, merchant) = connected().await;
    merchant.disconnect().await;
    let record = last_record(&test);
    let elsewhere = [
        ("CONNECTIONS_TABLE", "ConnectionsTable".to_owned()),
        ("TOKEN_KEYS_SECRET_ID", "local/token-keys".to_owned()),
        ("VK_CLIENT_ID", "8".to_owned()),
        ("VK_ID_URL", format!("{}/id", test.stack.vk().url())),
    ];
    let env = Env::of_map(elsewhere.map(|(name, value)| (name.to_owned(), value)).into());
    let platform = Platform {
        clock: Clock::new(test.clock.clone()),
        entropy: repeatable_entropy(),
        aws: test.stack.aws().sdk_config(),
    };
    let function = revoke::Function::boot(&env, &platform, &Registered).await.unwrap();
    let answer = function.handle(&json!({ "Records": [record] })).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(counted(), [0, 0, 1]);
    assert!(logged().contains("VK refuses the application: invalid_client"));
}

#[tokio::test]
async fn no_log_line_holds_a_token_whatever_vk_answers() {
    start_log();
    let (test, merchant) = connected().await;
    for fault in [Fault::Down, Fault::Garbled, Fault::Redirecting, Fault::Endless, Fault::None] {
        test.stack.vk().set_fault(Fault::None);
        merchant.connect(ANNA).await;
        test.stack.vk().set_fault(fault);
        merchant.disconnect().await;
        delivered(&test).await;
    }
    let record = last_record(&test);
    let sealed = record["dynamodb"]["OldImage"]["access_token"]["B"].as_str().unwrap().to_owned();
    let secrets = [test.stack.vk().tokens(), test.stack.vk().refresh_tokens(), vec![sealed]].concat();
    assert!(secrets.len() >= 13);
    let own = own_lines(&logged());
    for secret in &secrets {
        assert!(!own.contains(secret.as_str()), "a secret of {} characters is in the log", secret.len());
    }
}
