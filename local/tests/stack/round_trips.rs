//! How often a request asks the store, counted at the endpoint.

use serde_json::json;

use crate::support::{ANNA, ROMASHKA, TestStack};

/// What has been called; what is called at once comes in either order.
fn sorted_calls(test: &TestStack) -> Vec<String> {
    let mut calls = test.stack.aws().calls().take();
    calls.sort();
    calls
}

#[tokio::test]
async fn a_page_is_one_call() {
    let (test, merchant) = TestStack::connected().await;
    for path in ["/connections", "/vk", "/vk?error=access_denied"] {
        test.stack.aws().calls().take();
        assert_eq!(merchant.open(path).await.status, 200);
        assert_eq!(test.stack.aws().calls().take(), ["BatchGetItem"], "{path}");
    }
}

#[tokio::test]
async fn extending_the_idle_limit_costs_one_more_call_every_five_minutes() {
    let (test, merchant) = TestStack::signed_in().await;
    test.clock.advance(jiff::SignedDuration::from_mins(5));
    test.stack.aws().calls().take();
    merchant.open("/vk").await;
    assert_eq!(test.stack.aws().calls().take(), ["BatchGetItem", "UpdateItem"]);
    merchant.open("/vk").await;
    assert_eq!(test.stack.aws().calls().take(), ["BatchGetItem"]);
}

#[tokio::test]
async fn whoever_is_not_signed_in_costs_nothing() {
    let test = TestStack::start().await;
    let browser = test.browser();
    test.stack.aws().calls().take();
    for path in ["/", "/connections", "/vk", "/vk/connect", "/no/such/page"] {
        browser.open_without_following(&test.url(path)).await;
    }
    assert!(test.stack.aws().calls().take().is_empty());
}

#[tokio::test]
async fn connecting_is_one_call_and_coming_back_three_of_which_two_at_once() {
    let (test, merchant) = TestStack::signed_in().await;
    test.stack.aws().calls().take();
    let consent = merchant.start_connecting().await;
    assert_eq!(test.stack.aws().calls().take(), ["TransactWriteItems"]);
    let callback = merchant.allow(&consent, ANNA).await;
    merchant.browser.come_from_elsewhere_without_following(&callback).await;
    assert_eq!(sorted_calls(&test), ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
}

#[tokio::test]
async fn a_callback_that_fails_is_three_calls() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.refuse(&consent).await;
    test.stack.aws().calls().take();
    merchant.browser.come_from_elsewhere_without_following(&callback).await;
    assert_eq!(sorted_calls(&test), ["BatchGetItem", "TransactWriteItems", "UpdateItem"]);
}

#[tokio::test]
async fn a_repeated_callback_is_two_calls() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    merchant.browser.come_from_elsewhere(&callback).await;
    test.clock.advance(jiff::SignedDuration::from_secs(30));
    test.stack.aws().calls().take();
    merchant.browser.come_from_elsewhere_without_following(&callback).await;
    assert_eq!(sorted_calls(&test), ["BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn disconnecting_is_one_call() {
    let (test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    test.stack.aws().calls().take();
    merchant.browser.submit_without_following(form).await;
    assert_eq!(test.stack.aws().calls().take(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn secrets_are_asked_for_again_after_five_minutes() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.aws().calls().take();
    merchant.connect(ANNA).await;
    assert!(!test.stack.aws().calls().take().contains(&"GetSecretValue".to_owned()));
    test.clock.advance(jiff::SignedDuration::from_mins(5));
    merchant.connect(ANNA).await;
    let asked = test.stack.aws().calls().take().into_iter().filter(|call| call == "GetSecretValue").count();
    assert_eq!(asked, 2, "the client secret and the token keys");
}

/// What a worker's request calls, without the secrets that are read every five minutes.
async fn calls_for_a_token(test: &TestStack, rejected: Option<&str>) -> Vec<String> {
    test.stack.aws().calls().take();
    let request = json!({ "user_id": ROMASHKA, "provider": "vk", "rejected_version": rejected });
    test.stack.invoke("token", &request).await.unwrap();
    let mut calls = test.stack.aws().calls().take();
    calls.retain(|call| call != "GetSecretValue");
    calls
}

#[tokio::test]
async fn a_token_is_one_call_and_one_that_must_be_renewed_four() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    assert_eq!(calls_for_a_token(&test, None).await, ["GetItem"]);
    test.clock.advance(jiff::SignedDuration::from_mins(56));
    let renewing = ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"];
    assert_eq!(calls_for_a_token(&test, None).await, renewing, "budget, claim and tokens");
    assert_eq!(calls_for_a_token(&test, None).await, ["GetItem"]);
}

#[tokio::test]
async fn a_complaint_is_two_calls_and_a_broken_connection_three() {
    let (test, _) = TestStack::connected().await;
    let request = json!({ "user_id": ROMASHKA, "provider": "vk" });
    let token = test.stack.invoke("token", &request).await.unwrap();
    let version = token["version"].as_str();
    assert_eq!(calls_for_a_token(&test, version).await, ["GetItem"], "VK has just confirmed it");
    test.clock.advance(jiff::SignedDuration::from_mins(2));
    assert_eq!(calls_for_a_token(&test, version).await, ["GetItem", "BatchExecuteStatement"]);
    test.stack.vk().revoke_tokens(ANNA);
    test.clock.advance(jiff::SignedDuration::from_mins(2));
    let broken = ["GetItem", "UpdateItem", "BatchExecuteStatement"];
    assert_eq!(calls_for_a_token(&test, version).await, broken, "the hour's limit, and the verdict");
}
