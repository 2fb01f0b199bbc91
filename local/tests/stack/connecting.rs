//! Starting and finishing attempts: states, codes, tabs, replays, refusals.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use futures_util::join;
use jiff::SignedDuration;
use local::vk::Fault;
use url::Url;

use crate::support::{ANNA, IVAN, LAVKA, Merchant, ROMASHKA, TestStack, logged, start_log, text};

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Replaces a parameter of an address.
fn with(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let kept: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
    url.into()
}

async fn authorize_url(merchant: &Merchant, test: &TestStack) -> String {
    merchant.browser.open_without_following(&test.url("/vk/connect")).await.location()
}

#[tokio::test]
async fn connecting_sends_the_person_to_vk_with_the_documented_parameters() {
    let (test, merchant) = TestStack::signed_in().await;
    let page = merchant.browser.open_without_following(&test.url("/vk/connect")).await;
    assert_eq!(page.status, 303);
    let url = Url::parse(&page.location()).unwrap();
    assert_eq!(
        format!("{}{}", url.origin().ascii_serialization(), url.path()),
        test.stack.vk().url() + "/authorize"
    );
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        names,
        ["client_id", "redirect_uri", "response_type", "scope", "state", "display", "v", "revoke"]
    );
    assert_eq!(parameter(url.as_str(), "redirect_uri"), test.url("/vk/callback"));
    assert_eq!(parameter(url.as_str(), "response_type"), "code");
    assert_eq!(parameter(url.as_str(), "scope"), "market groups offline");
    assert_eq!(parameter(url.as_str(), "display"), "page");
    assert_eq!(parameter(url.as_str(), "v"), "5.131");
}

#[tokio::test]
async fn states_are_distinct_and_of_one_length() {
    let (test, merchant) = TestStack::signed_in().await;
    let mut states = HashSet::new();
    for _ in 0..20 {
        let state = parameter(&authorize_url(&merchant, &test).await, "state");
        assert_eq!(state.len(), 43);
        assert!(states.insert(state), "a state came twice");
    }
}

#[tokio::test]
async fn an_unknown_state_is_an_error_page_and_vk_is_not_asked() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    let bad = [
        with(&callback, "state", &"A".repeat(43)),
        with(&callback, "state", ""),
        with(&callback, "state", &"A".repeat(4_000)),
        with(&callback, "state", "состояние"),
        format!("{callback}&state={}", "A".repeat(43)),
        callback.replace("state=", "stat="),
        callback.replace("state=", "state=%FF"),
    ];
    for url in bad {
        let page = merchant.browser.come_from_elsewhere(&url).await;
        assert_eq!(page.path(), "/vk?error=invalid_state", "{url}");
        assert!(page.text().contains("Подключение не завершено"));
    }
    assert!(test.stack.vk().take_calls().is_empty());
    assert!(merchant.browser.come_from_elsewhere(&callback).await.text().contains("Подключено"));
}

#[tokio::test]
async fn a_state_that_cannot_be_one_is_answered_as_an_unknown_one_is() {
    let (test, merchant) = TestStack::signed_in().await;
    test.stack.vk().take_calls();
    let unknown = "A".repeat(43);
    let long = "A".repeat(10_000);
    let states = [
        String::new(),
        "state=".to_owned(),
        format!("state={unknown}&state={unknown}"),
        format!("state={long}"),
        format!("state={}%3D", "A".repeat(42)),
        format!("state={}", "%D1%8F".repeat(21)),
        "state=%FF".to_owned(),
        format!("state={unknown}"),
    ];
    for state in states {
        let url = test.url(&format!("/vk/callback?code=c&{state}"));
        let page = merchant.browser.come_from_elsewhere_without_following(&url).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (303, "/vk?error=invalid_state"));
    }
    assert!(test.stack.vk().take_calls().is_empty());
}

#[tokio::test]
async fn a_callback_with_both_code_and_error_or_neither_is_refused() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    for url in [
        format!("{callback}&error=access_denied"),
        callback.replace("code=", "cod="),
        with(&callback, "code", ""),
        with(&callback, "code", &"a".repeat(513)),
        format!("{callback}&code=again"),
    ] {
        let page = merchant.browser.come_from_elsewhere(&url).await;
        assert_eq!(page.path(), "/vk?error=invalid_state", "{url}");
    }
    assert!(test.stack.vk().take_calls().is_empty());
}

#[tokio::test]
async fn another_persons_browser_cannot_finish_an_attempt() {
    let test = TestStack::start().await;
    let (maria, boris) = (test.merchant(ROMASHKA).await, test.merchant(LAVKA).await);
    let consent = maria.start_connecting().await;
    let callback = maria.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    let page = boris.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=invalid_state");
    assert!(test.stack.vk().take_calls().is_empty());
    assert!(boris.dashboard().await.contains("Не подключено"));
    assert!(maria.browser.come_from_elsewhere(&callback).await.text().contains("Анна"));
}

#[tokio::test]
async fn another_session_of_the_same_person_cannot_finish_an_attempt() {
    let test = TestStack::start().await;
    let (laptop, phone) = (test.merchant(ROMASHKA).await, test.merchant(ROMASHKA).await);
    let consent = laptop.start_connecting().await;
    let callback = laptop.allow(&consent, ANNA).await;
    let page = phone.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=invalid_state");
}

/// Each provider has a callback of its own, so that no answer is taken for another provider's.
#[tokio::test]
async fn an_attempt_at_another_provider_cannot_be_finished_here() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    let rows = test.sessions().rows().await;
    let mut attempt = rows.into_iter().find(|row| text(row, "id").starts_with("attempt:")).unwrap();
    attempt.insert("provider".to_owned(), AttributeValue::S("evotor".to_owned()));
    test.sessions().put(attempt.clone()).await;
    test.stack.vk().take_calls();
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=invalid_state");
    assert!(test.stack.vk().take_calls().is_empty());
    assert!(test.sessions().rows().await.contains(&attempt), "it can still be finished at its own provider");
}

#[tokio::test]
async fn an_answer_in_another_issuers_name_is_not_taken_for_vks() {
    let (_test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    let other = format!("{callback}&iss=https%3A%2F%2Fother.example");
    let page = merchant.browser.come_from_elsewhere(&other).await;
    assert_eq!(page.path(), "/vk?error=invalid_state");
    assert_eq!(merchant.browser.come_from_elsewhere(&callback).await.path(), "/connections");
}

#[tokio::test]
async fn an_attempt_lives_for_ten_minutes_and_no_second_longer() {
    let (test, merchant) = TestStack::signed_in().await;
    let mut callbacks = Vec::new();
    for _ in 0..2 {
        let consent = merchant.start_connecting().await;
        callbacks.push(merchant.allow(&consent, ANNA).await);
    }
    test.clock.advance(SignedDuration::from_secs(599));
    let page = merchant.browser.come_from_elsewhere(&callbacks[0]).await;
    assert_eq!(page.path(), "/connections");
    test.clock.advance(SignedDuration::from_secs(1));
    let page = merchant.browser.come_from_elsewhere(&callbacks[1]).await;
    assert_eq!(page.path(), "/vk?error=attempt_expired");
}

#[tokio::test]
async fn of_fifty_callbacks_at_once_one_asks_vk() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    let callbacks = (0..50).map(|_| merchant.browser.come_from_elsewhere_without_following(&callback));
    let pages = join_all(callbacks).await;
    assert!(pages.iter().all(|page| page.status == 303));
    let exchanges = test.stack.vk().take_calls().iter().filter(|call| call.path == "/access_token").count();
    assert_eq!(exchanges, 1);
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_replayed_callback_of_a_finished_attempt_is_idempotent() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    merchant.browser.come_from_elsewhere(&callback).await;
    test.stack.vk().take_calls();
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/connections");
    assert!(test.stack.vk().take_calls().is_empty());
    merchant.disconnect().await;
    test.clock.advance(SignedDuration::from_secs(30));
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=attempt_used");
}

#[tokio::test]
async fn a_callback_that_comes_twice_at_once_shows_the_connection_and_no_error() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let first = merchant.browser.come_from_elsewhere_without_following(&callback);
    let second = async {
        test.stack.vk().called(1).await;
        let page = merchant.browser.come_from_elsewhere_without_following(&callback).await;
        test.stack.vk().release_answers();
        page
    };
    let (first, second) = futures_util::join!(first, second);
    assert_eq!(first.location(), test.url("/connections"));
    assert_eq!(second.location(), test.url("/connections"));
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_failure_is_noted_even_while_the_repeated_callback_holds_the_row() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.refuse(&consent).await;
    test.stack.aws().calls().conflict("UpdateItem", 2);
    for _ in 0..2 {
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        assert_eq!(page.path(), "/vk?error=access_denied");
    }
}

#[tokio::test]
async fn a_replayed_callback_of_a_failed_attempt_repeats_its_error() {
    let (test, merchant) = TestStack::connected().await;
    let consent = merchant.start_connecting().await;
    let callback = with(&merchant.allow(&consent, ANNA).await, "code", "not-a-code");
    for _ in 0..2 {
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        assert_eq!(page.path(), "/vk?error=token_exchange");
        test.clock.advance(SignedDuration::from_mins(5));
    }
}

#[tokio::test]
async fn attempts_in_several_tabs_are_independent() {
    let (_test, merchant) = TestStack::signed_in().await;
    let mut callbacks = Vec::new();
    for _ in 0..3 {
        let consent = merchant.start_connecting().await;
        callbacks.push(merchant.allow(&consent, ANNA).await);
    }
    for tab in [1, 0, 2] {
        assert_eq!(merchant.browser.come_from_elsewhere(&callbacks[tab]).await.path(), "/connections");
    }
}

#[tokio::test]
async fn the_eleventh_attempt_drops_only_the_first() {
    let (test, merchant) = TestStack::signed_in().await;
    let mut callbacks = Vec::new();
    for _ in 0..11 {
        let consent = merchant.start_connecting().await;
        callbacks.push(merchant.allow(&consent, ANNA).await);
        test.clock.advance(SignedDuration::from_secs(1));
    }
    let first = merchant.browser.come_from_elsewhere(&callbacks[0]).await;
    assert_eq!(first.path(), "/vk?error=invalid_state");
    for callback in &callbacks[1..] {
        assert_eq!(merchant.browser.come_from_elsewhere(callback).await.path(), "/connections");
    }
}

#[tokio::test]
async fn abandoned_tabs_make_room_once_their_time_has_passed() {
    let (test, merchant) = TestStack::signed_in().await;
    for _ in 0..10 {
        merchant.start_connecting().await;
    }
    test.clock.advance(SignedDuration::from_mins(10));
    assert!(merchant.connect(ANNA).await.text().contains("Подключено"));
}

#[tokio::test]
async fn a_person_may_start_thirty_times_a_minute() {
    let (test, merchant) = TestStack::signed_in().await;
    let mut refused = 0;
    for _ in 0..100 {
        let location = authorize_url(&merchant, &test).await;
        refused += usize::from(location.ends_with("/vk?error=too_many_attempts"));
    }
    assert_eq!(refused, 70);
    test.clock.advance(SignedDuration::from_mins(1));
    assert!(merchant.connect(ANNA).await.text().contains("Подключено"));
}

#[tokio::test]
async fn whoever_has_no_session_is_sent_to_sign_in_even_in_a_busy_minute() {
    let (test, merchant) = TestStack::signed_in().await;
    for _ in 0..30 {
        authorize_url(&merchant, &test).await;
    }
    let cookie = merchant.browser.cookie("session").unwrap();
    let (user, _) = cookie.split_once('.').unwrap();
    merchant.browser.set_cookie("session", &format!("{user}.{}", "A".repeat(43)));
    let page = merchant.browser.open_without_following(&test.url("/vk/connect")).await;
    assert_eq!(page.header("location"), "/login");
}

#[tokio::test]
async fn a_refusal_at_vk_is_shown_and_does_not_change_the_connection() {
    let (_test, merchant) = TestStack::connected().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.refuse(&consent).await;
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=access_denied");
    assert!(page.text().contains("Доступ не разрешён") && page.text().contains("Подключено"));
    let again = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(again.path(), "/vk?error=access_denied", "whoever reloads reads the same");
}

#[tokio::test]
async fn an_error_without_a_sound_state_changes_nothing() {
    let (test, merchant) = TestStack::connected().await;
    let before = test.connections().rows().await;
    let url = test.url(&format!("/vk/callback?error=access_denied&state={}", "A".repeat(43)));
    assert_eq!(merchant.browser.come_from_elsewhere(&url).await.path(), "/vk?error=invalid_state");
    assert_eq!(test.connections().rows().await, before);
}

#[tokio::test]
async fn an_error_of_vk_that_is_no_refusal_has_words_of_its_own() {
    let (test, merchant) = TestStack::signed_in().await;
    let state = parameter(&authorize_url(&merchant, &test).await, "state");
    let url = test.url(&format!("/vk/callback?error=server_error&error_description=canary&state={state}"));
    let page = merchant.browser.come_from_elsewhere(&url).await;
    assert_eq!(page.path(), "/vk?error=provider_error");
    assert!(!page.body.contains("canary"));
}

#[tokio::test]
async fn a_code_that_vk_refuses_ends_the_attempt_and_does_not_change_the_connection() {
    let (_test, merchant) = TestStack::connected().await;
    let consent = merchant.start_connecting().await;
    let callback = with(&merchant.allow(&consent, ANNA).await, "code", "not-a-code");
    let page = merchant.browser.come_from_elsewhere(&callback).await;
    assert_eq!(page.path(), "/vk?error=token_exchange");
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_token_with_too_few_rights_is_not_connected() {
    let (_test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let form = consent.form("/authorize").without("market").with("account", &ANNA.to_string());
    let page = merchant.browser.submit(form.with("decision", "allow")).await;
    assert_eq!(page.path(), "/vk?error=permission_missing");
    assert!(merchant.dashboard().await.contains("Не подключено"));
}

#[tokio::test]
async fn a_token_that_expires_says_when_and_turns_red_then() {
    let test = TestStack::with_parameters([("DisplayTimezone", "UTC")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    let consent = merchant.start_connecting().await;
    let form = consent.form("/authorize").without("offline").with("account", &ANNA.to_string());
    merchant.browser.submit(form.with("decision", "allow")).await;
    let page = merchant.open("/vk").await.text();
    assert!(page.contains("Доступ действует до 23 ноября 2026, 04:16 UTC"), "{page}");
    test.clock.advance(SignedDuration::from_hours(24));
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.open("/vk").await.text().contains("Срок доступа истёк"));
    test.stack.vk().take_calls();
    test.stack.sweep().await.unwrap();
    assert!(test.stack.vk().take_calls().is_empty(), "an expired token is not shown to VK");
    assert!(merchant.dashboard().await.contains("Нужно переподключить"));
}

#[tokio::test]
async fn a_token_without_expiry_never_turns_red_by_itself() {
    let (test, _) = TestStack::connected().await;
    test.clock.advance(SignedDuration::from_hours(24 * 365));
    test.stack.sweep().await.unwrap();
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn a_deactivated_account_is_not_connected() {
    let test = TestStack::start().await;
    test.stack.vk().deactivate(ANNA, Some("banned"));
    let merchant = test.merchant(ROMASHKA).await;
    assert_eq!(merchant.connect(ANNA).await.path(), "/vk?error=account_unavailable");
}

#[tokio::test]
async fn a_failure_of_vk_at_any_step_is_shown_in_words() {
    let down = [
        Fault::Down,
        Fault::Maintenance,
        Fault::Garbled,
        Fault::Challenge,
        Fault::Redirecting,
        Fault::Endless,
        Fault::Silent,
    ];
    for fault in down {
        let (test, merchant) = TestStack::signed_in().await;
        let consent = merchant.start_connecting().await;
        let callback = merchant.allow(&consent, ANNA).await;
        test.stack.vk().set_fault(fault);
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        assert_eq!(page.path(), "/vk?error=provider_unavailable", "{fault:?}");
        assert!(page.text().contains("ВКонтакте сейчас не отвечает"));
    }
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_does_not_change_the_old_connection() {
    let table = [
        (1, "provider_unavailable"),
        (8, "app_rejected"),
        (7, "permission_missing"),
        (18, "account_unavailable"),
        (17, "action_required"),
        (14, "profile"),
        (5, "profile"),
    ];
    for (code, told) in table {
        let (test, merchant) = TestStack::connected().await;
        test.stack.vk().answer_with_error(ANNA, Some(code));
        assert_eq!(merchant.connect(ANNA).await.path(), format!("/vk?error={told}"), "VK's error {code}");
        test.stack.vk().answer_with_error(ANNA, None);
        test.stack.sweep().await.unwrap();
        assert!(merchant.dashboard().await.contains("Подключено"), "the first token is still there");
    }
}

#[tokio::test]
async fn a_secret_changed_at_vk_and_in_secrets_manager_is_picked_up_at_once() {
    let (test, merchant) = TestStack::connected().await;
    test.stack.vk().set_client_secret("rotated");
    assert_eq!(merchant.connect(ANNA).await.path(), "/vk?error=app_rejected");
    test.stack.aws().put_secret("local/vk-client-secret", "rotated");
    assert_eq!(merchant.connect(ANNA).await.path(), "/connections");
}

#[tokio::test]
async fn a_secret_is_read_in_every_form_it_is_stored_in() {
    let forms = [
        "rotated",
        "rotated\r\n",
        " rotated ",
        "\u{feff}rotated\n",
        r#"{"VK_CLIENT_SECRET":"rotated","VK_CLIENT_ID":51234567,"notes":null}"#,
        "\u{feff}{\"VK_CLIENT_SECRET\":\"rotated\"}\r\n",
        r#"{"VK_CLIENT_SECRET":" \ufeffrotated\n"}"#,
    ];
    for is_binary in [false, true] {
        let (test, merchant) = TestStack::signed_in().await;
        test.stack.vk().set_client_secret("rotated");
        if is_binary {
            test.stack.aws().give_binary_secrets();
        }
        for form in forms {
            test.stack.aws().put_secret("local/vk-client-secret", form);
            test.clock.advance(SignedDuration::from_mins(5));
            assert_eq!(merchant.connect(ANNA).await.path(), "/connections", "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_none_is_ours_to_mend_and_named_in_the_log() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    for (form, cause) in [
        ("", "it is empty"),
        (r#"{"VK_CLIENT_SECRET":7}"#, "VK_CLIENT_SECRET is no text"),
        (r#"{"CLIENT_SECRET":"canary"}"#, "it has no VK_CLIENT_SECRET"),
        ("{canary", "it begins like JSON and is none"),
    ] {
        test.stack.aws().put_secret("local/vk-client-secret", form);
        test.clock.advance(SignedDuration::from_mins(5));
        assert_eq!(merchant.connect(ANNA).await.path(), "/vk?error=storage", "{form}");
        assert!(logged().contains(cause), "{cause}");
        // Whoever has just set it need not wait.
        test.stack.aws().put_secret("local/vk-client-secret", "mended");
        test.stack.vk().set_client_secret("mended");
        assert_eq!(merchant.connect(ANNA).await.path(), "/connections", "after {form}");
    }
    assert!(!logged().contains("canary"));
}

#[tokio::test]
async fn a_phone_gets_vks_page_for_phones() {
    let (test, merchant) = TestStack::signed_in().await;
    let cookie = format!("session={}", merchant.browser.cookie("session").unwrap());
    let mut event = crate::support::event("GET /vk/connect", "", &[&cookie]);
    event["headers"]["sec-ch-ua-mobile"] = "?1".into();
    let answer = test.stack.invoke("connect", &event).await.unwrap();
    let location = crate::support::response_header(&answer, "location");
    assert_eq!(parameter(location, "display"), "mobile");
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_start_connecting() {
    let (test, merchant) = TestStack::signed_in().await;
    let page = merchant.browser.come_from_elsewhere(&test.url("/vk/connect")).await;
    assert_eq!((page.path().as_str(), page.status.as_u16()), ("/vk", 200), "where the person can start");
    let attempts = test.sessions().rows().await;
    assert!(attempts.iter().all(|row| !text(row, "id").starts_with("attempt:")), "{attempts:?}");
}

#[tokio::test]
async fn a_callback_without_a_cookie_is_sent_round_once_and_then_to_sign_in() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    let cookieless = test.browser();
    let first = cookieless.come_from_elsewhere_without_following(&callback).await;
    assert_eq!(first.status, 303);
    assert_eq!(first.location(), format!("{callback}&again=1"));
    let second = cookieless.open_without_following(&first.location()).await;
    assert_eq!(second.location(), test.url("/vk?error=session_expired"));
    assert!(test.stack.vk().take_calls().is_empty());

    let page = merchant.browser.open(&first.location()).await;
    assert_eq!(page.path(), "/connections", "the attempt was not touched");
}

#[tokio::test]
async fn a_person_whose_session_ended_at_vk_signs_in_and_reads_why() {
    let (_test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    merchant.browser.forget_cookie("session");
    let sign_in = merchant.browser.come_from_elsewhere(&callback).await;
    let form = sign_in.form("/authorize").with("person", ROMASHKA);
    let page = merchant.browser.submit(form).await;
    assert_eq!(page.path(), "/vk?error=session_expired");
    assert!(page.text().contains("Сеанс закончился во время подключения"));
}

#[tokio::test]
async fn secret_and_tokens_are_sent_only_in_bodies_and_headers() {
    let (test, _) = TestStack::connected().await;
    test.stack.sweep().await.unwrap();
    for call in test.stack.vk().take_calls() {
        assert_eq!((call.http_method.as_str(), call.query.as_str()), ("POST", ""), "{}", call.path);
    }
}

#[tokio::test]
async fn the_documented_get_form_works_where_it_is_configured() {
    let test = TestStack::with_parameters([("VkTokenMethod", "get")]).await;
    let merchant = test.merchant(ROMASHKA).await;
    assert!(merchant.connect(ANNA).await.text().contains("Подключено"));
    let calls = test.stack.vk().take_calls();
    let exchange = calls.iter().find(|call| call.path == "/access_token").unwrap();
    assert_eq!(exchange.http_method, "GET");
}

/// The callback's address with other parameters than its state.
fn answering(test: &TestStack, state: &str, answer: &str) -> String {
    test.url(&format!("/vk/callback?state={state}&{answer}"))
}

#[tokio::test]
async fn a_refusal_in_another_encoding_is_a_refusal() {
    let (test, merchant) = TestStack::signed_in().await;
    let state = parameter(&authorize_url(&merchant, &test).await, "state");
    let answer = "error=access_denied&error_reason=user_denied&error_description=%CF%EE%EB%FC%E7";
    let page = merchant.browser.come_from_elsewhere(&answering(&test, &state, answer)).await;
    assert_eq!(page.path(), "/vk?error=access_denied");
}

#[tokio::test]
async fn an_error_about_our_app_on_vks_redirect_is_counted_as_one_and_named_in_the_log() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    for error in ["unauthorized_client", "invalid_scope", "invalid_request"] {
        let state = parameter(&authorize_url(&merchant, &test).await, "state");
        let url = answering(&test, &state, &format!("error={error}"));
        let page = merchant.browser.come_from_elsewhere(&url).await;
        assert_eq!(page.path(), "/vk?error=app_rejected", "{error}");
        assert!(logged().contains(&format!("the provider sent the error {error}")));
    }
}

#[tokio::test]
async fn another_answer_to_a_finished_attempt_is_never_exchanged() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let refused = merchant.refuse(&consent).await;
    let allowed = merchant.allow(&consent, ANNA).await;
    assert_eq!(merchant.browser.come_from_elsewhere(&refused).await.path(), "/vk?error=access_denied");
    test.stack.vk().take_calls();
    for _ in 0..2 {
        let page = merchant.browser.come_from_elsewhere(&allowed).await;
        assert_eq!(page.path(), "/vk?error=attempt_used", "allowed after a refusal");
    }
    assert_eq!(merchant.browser.come_from_elsewhere(&refused).await.path(), "/vk?error=access_denied");

    let consent = merchant.start_connecting().await;
    let (anna, ivan) = (merchant.allow(&consent, ANNA).await, merchant.allow(&consent, IVAN).await);
    assert_eq!(merchant.browser.come_from_elsewhere(&anna).await.path(), "/connections");
    test.stack.vk().take_calls();
    assert_eq!(merchant.browser.come_from_elsewhere(&ivan).await.path(), "/vk?error=attempt_used");
    assert_eq!(merchant.browser.come_from_elsewhere(&anna).await.path(), "/connections");
    assert!(test.stack.vk().take_calls().is_empty());
    assert!(merchant.dashboard().await.contains("Анна"));
}

/// What a person does in another tab while the callback waits for VK.
#[tokio::test]
async fn a_callback_saves_nothing_once_the_person_has_disconnected() {
    let (test, merchant) = TestStack::connected().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, IVAN).await;
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let (page, ()) = join!(merchant.browser.come_from_elsewhere(&callback), async {
        test.stack.vk().called(1).await;
        merchant.disconnect().await;
        test.stack.vk().release_answers();
    });
    assert_eq!(page.path(), "/vk?error=attempt_used");
    assert!(test.connections().rows().await.is_empty());
    merchant.connect(IVAN).await;
    assert_eq!(test.connections().rows().await.len(), 1, "a new attempt is not held up");
}

#[tokio::test]
async fn a_callback_saves_nothing_once_the_person_has_signed_out() {
    let (test, merchant) = TestStack::signed_in().await;
    let consent = merchant.start_connecting().await;
    let callback = merchant.allow(&consent, ANNA).await;
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let (page, ()) = join!(merchant.browser.come_from_elsewhere_without_following(&callback), async {
        test.stack.vk().called(1).await;
        merchant.sign_out().await;
        test.stack.vk().release_answers();
    });
    assert_eq!(page.header("location"), "/vk?error=session_expired");
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn of_two_attempts_at_once_the_first_saved_stays() {
    // The exchange, the profile and the rights.
    const CALLS_OF_A_CALLBACK: usize = 3;
    let (test, merchant) = TestStack::signed_in().await;
    let (one, other) = (merchant.start_connecting().await, merchant.start_connecting().await);
    let slow = merchant.allow(&one, ANNA).await;
    let quick = merchant.allow(&other, IVAN).await;
    test.stack.vk().take_calls();
    test.stack.vk().hold_answers();
    let (one, other) = join!(merchant.browser.come_from_elsewhere(&slow), async {
        test.stack.vk().called(CALLS_OF_A_CALLBACK).await;
        let open = merchant.browser.come_from_elsewhere(&quick);
        let release = async {
            test.stack.vk().called(2 * CALLS_OF_A_CALLBACK).await;
            test.stack.vk().release_answers();
        };
        join!(open, release).0
    });
    let mut paths = [one.path(), other.path()];
    paths.sort();
    assert_eq!(paths, ["/connections", "/vk?error=attempt_used"]);
    assert_eq!(test.connections().rows().await.len(), 1);
}
