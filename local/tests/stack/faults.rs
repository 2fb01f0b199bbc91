//! What people see when something the product depends on does not answer.

use crate::support::{ANNA, IVAN, TestStack};

/// A page that says it is our fault, names nothing of ours, and can be found in the logs.
fn assert_calm(page: &crate::support::Page) {
    assert_eq!(page.status, 503, "{}", page.path());
    let text = page.text();
    assert!(text.contains("Сервис временно недоступен") && text.contains("Код для поддержки"), "{text}");
    for inside in ["dynamodb", "DynamoDB", "arn:", "Table", "127.0.0.1", "panicked", "Error"] {
        assert!(!page.body.contains(inside), "{inside}");
    }
}

#[tokio::test]
async fn pages_say_so_when_the_store_is_down() {
    let (test, merchant) = TestStack::signed_in().await;
    let form = merchant.open("/vk").await;
    test.stack.aws().calls().break_operation("BatchGetItem");
    test.stack.aws().calls().break_operation("TransactWriteItems");
    test.stack.aws().calls().break_operation("DeleteItem");
    for path in ["/connections", "/vk", "/vk/connect"] {
        assert_calm(&merchant.browser.follow(&test.url(path)).await);
    }
    assert_calm(&merchant.browser.submit(form.form("/logout")).await);
    test.stack.aws().calls().mend();
    assert_eq!(merchant.open("/vk").await.path(), "/vk", "the session is still there");
}

#[tokio::test]
async fn a_save_that_fails_is_shown_and_the_old_connection_stays() {
    let (test, merchant) = TestStack::connected().await;
    let before = test.connections().row().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, IVAN).await;
    // The attempt is spent; saving is what fails.
    test.stack.aws().calls().break_after("TransactWriteItems", 1);
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=storage");
    assert!(page.text().contains("Не удалось сохранить подключение"));
    assert_eq!(test.connections().row().await, before);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_spent_does_not_reach_vk() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.aws().calls().break_operation("TransactWriteItems");
    test.stack.vk().take_calls();
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=storage");
    assert!(test.stack.vk().take_calls().is_empty());
    test.stack.aws().calls().mend();
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
}

#[tokio::test]
async fn secrets_that_cannot_be_read_do_not_spend_the_attempt() {
    let (test, merchant) = TestStack::signed_in().await;
    test.clock.advance(jiff::SignedDuration::from_mins(6));
    test.stack.aws().calls().break_operation("GetSecretValue");
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/vk?error=storage");
    test.stack.aws().calls().mend();
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
}

#[tokio::test]
async fn unprocessed_keys_are_read_again() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.aws().calls().leave_unprocessed(2);
    test.stack.aws().calls().take();
    assert!(merchant.dashboard().await.contains("Подключено"));
    assert_eq!(test.stack.aws().calls().take(), ["BatchGetItem"; 3]);
}

#[tokio::test]
async fn signing_in_says_so_when_the_store_is_down() {
    let test = TestStack::start().await;
    test.stack.aws().calls().break_operation("PutItem");
    assert_calm(&test.browser().open(&test.url("/login")).await);
}

#[tokio::test]
async fn functions_boot_while_everything_they_prepare_is_down() {
    let test = TestStack::start().await;
    for operation in ["BatchGetItem", "TransactWriteItems", "GetItem", "GetSecretValue"] {
        test.stack.aws().calls().break_operation(operation);
    }
    test.stack.aws().calls().take();
    let functions = test.stack.boot_again().await.unwrap();
    assert_eq!(functions.len(), 11);
    let tried = test.stack.aws().calls().take();
    for operation in ["BatchGetItem", "TransactWriteItems", "GetItem", "GetSecretValue"] {
        assert!(tried.iter().any(|call| call == operation), "{operation}");
    }
}
