//! The binary, started as Lambda starts it.

use std::process::{Command, Output};

use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a test's helper")]
fn start(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_page"));
    command.env_clear().env("AWS_REGION", "eu-central-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn a_function_that_cannot_boot_says_in_its_log_what_is_missing() {
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
