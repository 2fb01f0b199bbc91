//! The local Lambda, called as workers call the real one: through the SDK.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::{Value, json};

use crate::support::{ROMASHKA, TestStack};

fn request() -> String {
    json!({ "user_id": ROMASHKA, "provider": "vk" }).to_string()
}

async fn invoke(test: &TestStack, name: &str, payload: &str) -> Result<InvokeOutput, InvokeError> {
    invoke_as(test, name, payload, InvocationType::RequestResponse).await
}

async fn invoke_as(
    test: &TestStack,
    name: &str,
    payload: &str,
    kind: InvocationType,
) -> Result<InvokeOutput, InvokeError> {
    let client = Client::new(&test.stack.aws().sdk_config());
    let call = client.invoke().function_name(name).payload(Blob::new(payload)).invocation_type(kind);
    call.send().await.map_err(aws_sdk_lambda::error::SdkError::into_service_error)
}

fn payload(output: &InvokeOutput) -> Value {
    serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap()
}

#[tokio::test]
async fn a_function_is_invoked_by_its_name_or_arn() {
    let (test, _) = TestStack::connected().await;
    let direct = test.stack.invoke("token", &serde_json::from_str(&request()).unwrap()).await.unwrap();
    assert!(direct["access_token"].is_string());
    for name in [
        "token",
        "token:$LATEST",
        "000000000000:function:token",
        "arn:aws:lambda:eu-central-1:000000000000:function:token",
    ] {
        let output = invoke(&test, name, &request()).await.unwrap();
        assert_eq!(payload(&output), direct, "{name}");
        assert_eq!((output.status_code(), output.executed_version()), (200, Some("$LATEST")));
        assert_eq!(output.function_error(), None);
    }
}

#[tokio::test]
async fn no_payload_is_an_empty_event() {
    let test = TestStack::start().await;
    let answer = payload(&invoke(&test, "token", "").await.unwrap());
    assert_eq!((&answer["error"], answer["message"].is_string()), (&json!("bad_request"), true));
}

#[tokio::test]
async fn a_functions_failure_comes_with_status_200_and_a_header() {
    let test = TestStack::start().await;
    let output = invoke(&test, "page", r#"{"not": "a request"}"#).await.unwrap();
    assert_eq!((output.status_code(), output.function_error()), (200, Some("Unhandled")));
    let error = payload(&output);
    assert!(error["errorType"].is_string() && error["errorMessage"].is_string(), "{error}");
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused_as_lambda_refuses_it() {
    let test = TestStack::start().await;
    let unknown = invoke(&test, "nobody", &request()).await.unwrap_err();
    assert!(unknown.is_resource_not_found_exception(), "{unknown}");
    assert_eq!(unknown.message(), Some("Function not found: nobody"));
    assert!(invoke(&test, "token", "{").await.unwrap_err().is_invalid_request_content_exception());
    let odd = invoke_as(&test, "token", "{}", InvocationType::from("Odd")).await.unwrap_err();
    assert!(odd.is_invalid_parameter_value_exception(), "{odd}");
}

#[tokio::test]
async fn an_event_is_accepted_and_handled_later_and_a_dry_run_not_at_all() {
    let test = TestStack::start().await;
    let dry = invoke_as(&test, "health-check", "{}", InvocationType::DryRun).await.unwrap();
    let accepted = invoke_as(&test, "health-check", "{}", InvocationType::Event).await.unwrap();
    assert_eq!((dry.status_code(), accepted.status_code()), (204, 202));
    let is_swept = async || !test.sessions().rows().await.is_empty();
    while !is_swept().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_invocation_is_counted_and_can_fail_or_lose_its_answer() {
    let (test, _) = TestStack::connected().await;
    test.stack.aws().calls().take();
    invoke(&test, "token", &request()).await.unwrap();
    assert_eq!(test.stack.aws().calls().take(), ["Invoke", "GetItem"]);
    test.stack.aws().calls().lose_answer("Invoke");
    invoke(&test, "token", &request()).await.unwrap();
    assert_eq!(test.stack.aws().calls().take(), ["Invoke", "GetItem", "Invoke", "GetItem"], "asked again");
    test.stack.aws().calls().break_operation("Invoke");
    assert!(invoke(&test, "token", &request()).await.unwrap_err().is_service_exception());
}
