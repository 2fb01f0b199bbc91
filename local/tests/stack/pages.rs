//! The product's pages as a whole, each kept in `snapshots/` under the name of its test.
//!
//! A page that is not as it was fails its test, which shows the difference. Where the difference is
//! meant, `INSTA_UPDATE=always cargo test -p local --test stack pages::` keeps the pages as they are
//! now, and `git diff` shows what that changes. Where `CI` is set, nothing is written.

use std::collections::BTreeSet;
use std::path::Path;

use insta::assert_snapshot;
use jiff::SignedDuration;
use local::vk::Fault;

use crate::support::{ANNA, Merchant, Page, TestStack};

/// What comes before and after each thing that is not the same in every run, or changes with a file.
const VARYING: [(&str, &str); 4] = [
    ("name=\"csrf\" value=\"", "\""),
    ("href=\"/assets/style-", "."),
    ("href=\"/assets/icon-", "."),
    ("Код для поддержки: <code class=\"text-break\">", "<"),
];

/// The page with its status and address, and `[…]` instead of what varies.
fn shown(page: &Page) -> String {
    let html = VARYING.iter().fold(page.body.clone(), |html, (before, after)| hide(&html, before, after));
    format!("{} {}\n\n{html}", page.status.as_u16(), page.path())
}

/// Writes `[…]` between two texts, wherever they stand.
fn hide(html: &str, before: &str, after: &str) -> String {
    let mut parts = html.split(before);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(after).expect("what varies has an end");
        hidden.extend([before, "[…]", &part[end..]]);
    }
    hidden
}

/// A connection that VK has not confirmed for three quarters of an hour.
async fn unverified() -> (TestStack, Merchant) {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().set_fault(Fault::Down);
    for _ in 0..3 {
        test.clock.advance(SignedDuration::from_mins(15));
        test.stack.sweep().await.unwrap();
    }
    (test, merchant)
}

/// A connection whose access Anna has revoked.
async fn broken() -> (TestStack, Merchant) {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    (test, merchant)
}

#[tokio::test]
async fn dashboard_not_connected() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert_snapshot!(shown(&merchant.open("/connections").await));
}

#[tokio::test]
async fn dashboard_connected() {
    let (_test, merchant) = TestStack::connected().await;
    assert_snapshot!(shown(&merchant.open("/connections").await));
}

#[tokio::test]
async fn dashboard_unverified() {
    let (_test, merchant) = unverified().await;
    assert_snapshot!(shown(&merchant.open("/connections").await));
}

#[tokio::test]
async fn dashboard_broken() {
    let (_test, merchant) = broken().await;
    assert_snapshot!(shown(&merchant.open("/connections").await));
}

#[tokio::test]
async fn vk_not_connected() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert_snapshot!(shown(&merchant.open("/vk").await));
}

#[tokio::test]
async fn vk_connected() {
    let (_test, merchant) = TestStack::connected().await;
    assert_snapshot!(shown(&merchant.open("/vk").await));
}

#[tokio::test]
async fn vk_unverified() {
    let (_test, merchant) = unverified().await;
    assert_snapshot!(shown(&merchant.open("/vk").await));
}

#[tokio::test]
async fn vk_broken() {
    let (_test, merchant) = broken().await;
    assert_snapshot!(shown(&merchant.open("/vk").await));
}

#[tokio::test]
async fn vk_with_an_error() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert_snapshot!(shown(&merchant.open("/vk?error=access_denied").await));
}

#[tokio::test]
async fn vk_with_an_unknown_error() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert_snapshot!(shown(&merchant.open("/vk?error=zzz").await));
}

#[tokio::test]
async fn not_found() {
    let test = TestStack::start().await;
    assert_snapshot!(shown(&test.browser().open(&test.url("/no/such/page")).await));
}

#[tokio::test]
async fn forbidden() {
    let (_test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect").without("csrf");
    assert_snapshot!(shown(&merchant.browser.submit(form).await));
}

#[tokio::test]
async fn signed_out() {
    let (_test, merchant) = TestStack::signed_in().await;
    assert_snapshot!(shown(&merchant.sign_out().await));
}

#[test]
fn every_snapshot_is_of_a_page() {
    let source = include_str!("pages.rs").lines();
    let tests = source.filter_map(|line| line.strip_prefix("async fn ")?.strip_suffix("() {"));
    let pages: BTreeSet<_> = tests.map(|name| format!("stack__pages__{name}.snap")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/snapshots");
    for entry in folder.read_dir().unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        // Beside a snapshot that does not match, insta leaves what the page is now.
        assert!(pages.contains(file.trim_end_matches(".new")), "{file} is of no test and can go");
    }
}
