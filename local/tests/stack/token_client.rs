//! The client that workers take their tokens from, against the function.

use std::time::Duration;

use evosync_tokens::{TokenError, Tokens};
use jiff::SignedDuration;
use local::vk::Fault;
use serde_json::json;

use crate::support::{ANNA, LAVKA, ROMASHKA, TestStack};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn client(test: &TestStack) -> Tokens {
    let clock = test.platform_clock();
    let lambda = aws_sdk_lambda::Client::new(&test.stack.aws().sdk_config());
    Tokens::new(lambda, "token").by_clock(move || clock.now())
}

fn invocations(test: &TestStack) -> usize {
    test.stack.aws().calls().take().iter().filter(|call| *call == "Invoke").count()
}

#[tokio::test]
async fn a_token_is_kept_until_its_time_is_short() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    let tokens = client(&test);
    let token = tokens.get(ROMASHKA, "vk").await.unwrap();
    assert_eq!((token.account_id.as_str(), token.egress.as_deref()), ("1000001", None));
    assert_eq!(token.expires_at.unwrap().to_string(), "2026-11-22T05:16:00Z");
    test.clock.advance(MINUTE * 50);
    tokens.get(ROMASHKA, "vk").await.unwrap();
    invocations(&test);
    test.clock.advance(MINUTE * 4);
    assert_eq!(tokens.get(ROMASHKA, "vk").await.unwrap().version, token.version);
    assert_eq!(invocations(&test), 0);
    test.clock.advance(MINUTE * 2);
    assert_ne!(tokens.get(ROMASHKA, "vk").await.unwrap().version, token.version);
    assert_eq!(invocations(&test), 1);
}

#[tokio::test]
async fn whoever_listens_to_no_event_learns_of_a_disconnection_within_a_quarter_of_an_hour() {
    for (test, merchant) in [TestStack::connected().await, TestStack::connected_by_vk_id().await] {
        let tokens = client(&test);
        tokens.get(ROMASHKA, "vk").await.unwrap();
        merchant.disconnect().await;
        test.clock.advance(MINUTE * 14);
        assert!(tokens.get(ROMASHKA, "vk").await.is_ok(), "it is kept");
        test.clock.advance(MINUTE);
        assert_eq!(tokens.get(ROMASHKA, "vk").await.unwrap_err(), TokenError::NotConnected);
    }
}

#[tokio::test]
async fn a_token_is_asked_for_again_once_an_event_has_made_it_forgotten() {
    let (test, merchant) = TestStack::connected().await;
    let tokens = client(&test);
    let first = tokens.get(ROMASHKA, "vk").await.unwrap();
    merchant.connect(ANNA).await;
    tokens.forget(LAVKA, "vk");
    assert_eq!(tokens.get(ROMASHKA, "vk").await.unwrap().version, first.version, "another's was forgotten");
    tokens.forget(ROMASHKA, "vk");
    assert_ne!(tokens.get(ROMASHKA, "vk").await.unwrap().version, first.version);
}

#[tokio::test]
async fn a_refused_token_is_forgotten_and_asked_for_once() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    let tokens = client(&test);
    let token = tokens.get(ROMASHKA, "vk").await.unwrap();
    test.stack.vk().change_address();
    test.clock.advance(MINUTE * 2);
    invocations(&test);
    let next = tokens.rejected(&token).await.unwrap();
    assert_ne!(next.version, token.version);
    assert_eq!(tokens.get(ROMASHKA, "vk").await.unwrap().version, next.version);
    assert_eq!(invocations(&test), 1);

    test.stack.vk().set_fault(Fault::Down);
    test.clock.advance(MINUTE * 2);
    assert!(tokens.rejected(&next).await.unwrap_err().retry_after().is_some());
    test.stack.aws().calls().break_operation("Invoke");
    assert!(tokens.get(ROMASHKA, "vk").await.is_err(), "the refused token is forgotten");
}

#[tokio::test]
async fn why_there_is_no_token_is_told_by_type_and_when_to_come_again() {
    let (test, _) = TestStack::connected().await;
    let tokens = client(&test);
    let error = async |user, provider| tokens.get(user, provider).await.unwrap_err();
    assert_eq!(error(LAVKA, "vk").await, TokenError::NotConnected);
    assert_eq!(error(LAVKA, "vk").await.retry_after(), None);
    assert!(
        matches!(error(LAVKA, "fb").await, TokenError::BadRequest(problem) if problem.contains("provider"))
    );
    test.stack.vk().revoke_tokens(ANNA);
    test.stack.sweep().await.unwrap();
    assert_eq!(error(ROMASHKA, "vk").await, TokenError::ReconnectNeeded);

    test.stack.aws().calls().break_operation("GetItem");
    let later = error(ROMASHKA, "vk").await;
    assert_eq!(later, TokenError::TryLater(Duration::from_secs(5)));
    assert_eq!(later.retry_after(), Some(Duration::from_secs(5)));
    test.stack.aws().calls().break_operation("Invoke");
    let away = error(ROMASHKA, "vk").await;
    assert!(matches!(&away, TokenError::Unavailable(cause) if cause.contains("ServiceException")), "{away}");
    assert_eq!(away.retry_after(), Some(Duration::from_mins(1)));
}

#[tokio::test]
async fn a_missing_right_has_a_type_of_its_own() {
    let (test, _) = TestStack::connected().await;
    let tokens = client(&test);
    let token = tokens.get(ROMASHKA, "vk").await.unwrap();
    assert_eq!(token.scopes, Some(["groups", "market", "offline"].map(str::to_owned).to_vec()));
    test.stack.vk().withdraw_right(ANNA, 1 << 27);
    test.clock.advance(MINUTE * 2);
    assert_eq!(tokens.rejected(&token).await.unwrap_err(), TokenError::RightsMissing);
}

#[tokio::test]
async fn a_longer_life_can_be_asked_for_and_a_function_that_fails_is_waited_for() {
    let (test, _) = TestStack::connected_by_vk_id().await;
    let tokens = client(&test).living_for(MINUTE * 30);
    let first = tokens.get(ROMASHKA, "vk").await.unwrap();
    test.clock.advance(MINUTE * 31);
    assert_ne!(tokens.get(ROMASHKA, "vk").await.unwrap().version, first.version);

    let lambda = aws_sdk_lambda::Client::new(&test.stack.aws().sdk_config());
    let error = Tokens::new(lambda, "page").get(ROMASHKA, "vk").await.unwrap_err();
    assert_eq!(error, TokenError::Unavailable("the function failed: Unhandled".to_owned()));
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_token() {
    let (test, _) = TestStack::connected().await;
    let tokens = client(&test);
    let token = tokens.get(ROMASHKA, "vk").await.unwrap();
    let secret = test.stack.vk().tokens().remove(0);
    assert_eq!(token.access_token(), secret);
    let printed = format!("{token:?} {tokens:?} {}", json!(token.version));
    assert!(printed.contains("[redacted]") && !printed.contains(&secret), "{printed}");
}
