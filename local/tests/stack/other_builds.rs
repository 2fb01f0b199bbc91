//! Rows of the build before this one, and of the build after it: neither loses anything here.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use evosync_connections::domain::{Generation, Provider, TokenSet, UserId};
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use local::vk::Fault;

use crate::support::{ANNA, ROMASHKA, Row, TestStack, text};

const OLD_KEY: &str = "the key that the build before sealed with";
const TABLE: &str = "ConnectionsTable";
/// Written down from the build before: the token `vk1.a.token-of-the-build-before`.
const SEALED_BEFORE: &str = "010131076f1e940909090909090909090909093218dcdeefe5a217aeb94305b9bb9e2e226bf8ee8ca7e145f0601aed7ba71157d1aa2ff4c34339709dacd9e46bddbb34282597e2e9c8b96816ab783e9a712b611adf";

fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn b(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The generation of the rows here.
fn generation() -> Generation {
    Generation::new([7; 16])
}

/// A row as the build before wrote it, with sealed tokens.
fn row(sealed: Vec<u8>) -> Row {
    let attributes = [
        ("user_id", s(ROMASHKA)),
        ("provider", s("vk")),
        ("access_token", b(sealed)),
        ("vk_user_id", s(&ANNA.to_string())),
        ("first_name", s("Анна")),
        ("last_name", s("Смирнова")),
        ("is_online", AttributeValue::Bool(true)),
        ("last_checked_at", s("2026-11-22T04:16:00Z")),
        ("last_attempt_at", s("2026-11-22T04:16:00Z")),
        ("last_attempt_by", s("0000000000000001")),
        ("last_attempt_result", s("alive")),
        ("connected_at", s("2026-11-20T08:00:00Z")),
        ("updated_at", s("2026-11-20T08:00:00Z")),
        ("generation", s(generation().as_str())),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The attributes that only a later build knows.
fn of_the_next_build() -> HashMap<String, AttributeValue> {
    let map = AttributeValue::M(HashMap::from([("id".to_owned(), s("r"))]));
    [
        ("offline_since", s("2026-11-22T04:16:00Z")),
        ("of_the_next_build", AttributeValue::N("3".into())),
        ("of_the_build_after", map),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Does something with the identity of the row here.
fn with_identity<T>(act: impl FnOnce(RowIdentity<'_>) -> T) -> T {
    let (user, generation) = (UserId::parse(ROMASHKA).unwrap(), generation());
    act(RowIdentity { table: TABLE, user: &user, provider: Provider::Vk, generation: &generation })
}

fn open(keys: &TokenKeys, row: &Row) -> TokenSet {
    let sealed = row["access_token"].as_b().unwrap().as_ref();
    with_identity(|identity| keys.open(sealed, identity)).unwrap()
}

fn seal(keys: &TokenKeys, record: &str) -> Vec<u8> {
    let tokens = TokenSet::from_record(record.as_bytes()).unwrap();
    with_identity(|identity| keys.seal(&tokens, identity, [1; 12])).unwrap()
}

/// A stack whose current key is a new one, and which still has the old one.
async fn rotated() -> (TestStack, TokenKeys) {
    let test = TestStack::start().await;
    let secret = serde_json::json!({ "current": "2", "1": OLD_KEY, "2": "a new key of more than thirty-two characters" });
    test.stack.aws().put_secret("local/token-keys", &secret.to_string());
    (test, TokenKeys::parse(&secret.to_string()).unwrap())
}

fn old_keys() -> TokenKeys {
    TokenKeys::parse(&serde_json::json!({ "current": "1", "1": OLD_KEY }).to_string()).unwrap()
}

#[tokio::test]
async fn a_row_of_the_build_before_is_read_shown_and_re_encrypted() {
    let (test, keys) = rotated().await;
    test.connections().put(row(from_hex(SEALED_BEFORE))).await;
    let merchant = test.merchant(ROMASHKA).await;
    let page = merchant.open("/vk").await.text();
    assert!(
        page.contains("Анна Смирнова") && page.contains("1000001") && page.contains("Подключено"),
        "{page}"
    );
    test.stack.vk().set_fault(Fault::Down);
    assert_eq!(test.stack.sweep().await.unwrap()["resealed"], 1);
    let after = test.connections().row().await;
    assert_eq!(open(&keys, &after).access.secret(), "vk1.a.token-of-the-build-before");
    assert_ne!(after["access_token"], row(from_hex(SEALED_BEFORE))["access_token"]);
}

#[tokio::test]
async fn what_the_next_build_adds_to_a_row_and_its_record_survives_every_verdict_and_re_encryption() {
    let record =
        r#"{"access_token":"vk1.a.next","refresh_token":"r","device_id":"d","of_the_next_build":{"a":[1]}}"#;
    for fault in [Fault::None, Fault::Down] {
        let (test, keys) = rotated().await;
        let mut next = row(seal(&old_keys(), record));
        next.extend(of_the_next_build());
        test.connections().put(next).await;
        test.stack.vk().set_fault(fault);
        // In fair fault VK does not know the token: the connection turns red.
        assert_eq!(test.stack.sweep().await.unwrap()["resealed"], 1);
        let after = test.connections().row().await;
        for (name, value) in of_the_next_build() {
            assert_eq!(after.get(&name), Some(&value), "{fault:?}: {name}");
        }
        let kept = open(&keys, &after).to_record().unwrap();
        assert_eq!(std::str::from_utf8(&kept).unwrap(), record, "{fault:?}");
        assert_eq!(*after["is_online"].as_bool().unwrap(), fault == Fault::Down);
    }
}

#[tokio::test]
async fn a_seal_of_a_later_version_is_our_fault_and_stays_as_it_is() {
    let (test, _) = rotated().await;
    let mut sealed = from_hex(SEALED_BEFORE);
    sealed[0] = 2;
    test.connections().put(row(sealed.clone())).await;
    let summary = test.stack.sweep().await.unwrap();
    assert_eq!((&summary["our_fault"], &summary["dead"]), (&1.into(), &0.into()));
    let after = test.connections().row().await;
    assert!(*after["is_online"].as_bool().unwrap());
    assert_eq!(text(&after, "last_attempt_result"), "our_fault");
    assert_eq!(after["access_token"], b(sealed));
}

#[tokio::test]
async fn an_attempt_of_the_build_before_is_finished_and_repeated_by_this_one() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    let written_before = ["id", "session_id", "user_id", "provider", "created_at", "expires_at", "spent_at"];
    for attributes in [6, 7] {
        keep_of_attempt(&test, &written_before[..attributes]).await;
        assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
    }
}

/// Leaves the only attempt with these attributes.
async fn keep_of_attempt(test: &TestStack, attributes: &[&str]) {
    let rows = test.sessions().rows().await;
    let mut attempt = rows.into_iter().find(|row| text(row, "id").starts_with("attempt:")).unwrap();
    attempt.retain(|name, _| attributes.contains(&name.as_str()));
    assert_eq!(attempt.len(), attributes.len());
    test.sessions().put(attempt).await;
}
