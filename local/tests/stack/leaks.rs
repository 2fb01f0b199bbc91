//! Nothing secret leaves: neither in a log line of any level, nor in an answer.

use local::vk::Fault;

use crate::support::{ANNA, TestStack, logged, start_log};

/// The lines of this product's own crates; of libraries, those that the telemetry lets through,
/// which cuts them off at `INFO`.
pub(crate) fn own_lines(log: &str) -> String {
    let own = [
        "evosync",
        "audit",
        "page",
        "connect",
        "callback",
        "disconnect",
        "dashboard",
        "login",
        "assets",
        "health_check",
        "revoke",
        "local",
    ];
    let is_own = |line: &&str| {
        own.iter().any(|name| {
            line.contains(&format!("\"target\":\"{name}\""))
                || line.contains(&format!("\"target\":\"{name}::"))
                || line.contains(&format!("\"target\":\"{name}_"))
        }) || !line.contains("\"level\":\"DEBUG\"") && !line.contains("\"level\":\"TRACE\"")
    };
    log.lines().filter(is_own).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn no_log_line_and_no_answer_holds_a_secret_whatever_goes_wrong() {
    start_log();
    let (test, merchant) = TestStack::signed_in().await;
    let mut secrets: Vec<String> = ["vk-client-secret", "token-keys", "oidc-client-secret"]
        .iter()
        .flat_map(|name| {
            let value = test.stack.aws().secret(&format!("local/{name}")).unwrap();
            value.split('"').filter(|part| part.len() > 20).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    secrets.push(merchant.browser.cookie("session").unwrap().split_once('.').unwrap().1.to_owned());
    secrets.push(merchant.browser.cookie("sign-in").unwrap());

    let mut answers = String::new();
    for fault in
        [Fault::None, Fault::Down, Fault::Garbled, Fault::Redirecting, Fault::Endless, Fault::RateLimited]
    {
        test.stack.vk().set_fault(Fault::None);
        let consent = merchant.start_connecting().await;
        let callback = merchant.allow(&consent, ANNA).await;
        let url = url::Url::parse(&callback).unwrap();
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        test.stack.vk().set_fault(fault);
        let page = merchant.browser.come_from_elsewhere(&callback).await;
        answers += &page.body;
        page.headers.values().for_each(|value| answers.push_str(value.to_str().unwrap()));
        test.stack.sweep().await.unwrap();
    }
    test.stack.vk().set_fault(Fault::None);
    test.stack.vk().set_client_secret("another");
    merchant.connect(ANNA).await;
    test.stack.vk().answer_with_error(ANNA, Some(5));
    test.stack.sweep().await.unwrap();
    for operation in ["PutItem", "TransactWriteItems", "BatchGetItem", "UpdateItem", "GetSecretValue"] {
        test.stack.aws().calls().break_operation(operation);
        answers.push_str(&merchant.browser.follow(&test.url("/vk/connect")).await.body);
        answers.push_str(&merchant.open("/connections").await.body);
        let _ = test.stack.sweep().await;
    }
    secrets.extend(test.stack.vk().tokens());

    let logged = own_lines(&logged());
    assert!(secrets.len() >= 18, "the secrets are collected");
    for secret in &secrets {
        assert!(!logged.contains(secret.as_str()), "a secret of {} characters is in the log", secret.len());
        assert!(
            !answers.contains(secret.as_str()),
            "a secret of {} characters is in an answer",
            secret.len()
        );
    }
}

#[tokio::test]
async fn the_table_holds_no_readable_token() {
    let (test, _) = TestStack::connected().await;
    let tokens = test.stack.vk().tokens();
    assert_eq!(tokens.len(), 1);
    let dump = format!("{:?}", test.connections().rows().await);
    assert!(!dump.contains(&tokens[0]));
    let sealed = test.connections().row().await["access_token"].as_b().unwrap().clone().into_inner();
    assert!(!sealed.windows(16).any(|window| tokens[0].as_bytes().windows(16).any(|part| part == window)));
}
