//! Runs the binary with an environment, as Lambda does.

use std::process::{Command, Output};

use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a test's helper")]
fn start(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_page"));
    command.env_clear().env("AWS_REGION", "eu-central-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn a_function_that_cannot_boot_logs_what_is_missing() {
    let output = start(&[]);
    assert!(!output.status.success());
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["message"], "cannot boot");
    assert_eq!(line["error"], "environment variable CONNECTIONS_TABLE is not set");
}

#[test]
fn a_malformed_variable_is_named_and_not_shown() {
    let tables = [("CONNECTIONS_TABLE", "connections"), ("SESSIONS_TABLE", "sessions")];
    let output = start(&[tables[0], tables[1], ("BASE_URL", "http://canary.example")]);
    assert!(!output.status.success());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("BASE_URL") && !said.contains("canary"), "{said}");
}

/// Libraries write requests and bodies at the levels below `INFO`.
#[test]
fn nothing_below_info_is_logged_whatever_the_environment_says() {
    let nobody = "127.0.0.1:1";
    let output = start(&[
        ("CONNECTIONS_TABLE", "connections"),
        ("SESSIONS_TABLE", "sessions"),
        ("BASE_URL", "http://localhost:1"),
        ("VK_CLIENT_ID", "7"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", &format!("http://{nobody}")),
        ("AWS_LAMBDA_RUNTIME_API", nobody),
        ("AWS_LAMBDA_FUNCTION_NAME", "page"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ("RUST_LOG", "trace"),
    ]);
    let log = String::from_utf8(output.stdout).unwrap();
    let levels = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["level"].clone());
    let levels: Vec<_> = levels.collect();
    assert!(levels.iter().any(|level| level == "WARN"), "warming up fails and is logged: {log}");
    assert!(!levels.iter().any(|level| level == "DEBUG" || level == "TRACE"), "{log}");
}
