//! Lambda, as far as functions are invoked (`Invoke` in Lambda's API reference).

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use evosync_connections::platform::Entropy;
use serde_json::{Value, json};

use crate::functions::{Function, InvokeError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The functions that can be invoked: none, until they are booted.
#[derive(Default)]
pub(super) struct Lambda(OnceLock<(HashMap<String, Function>, Entropy)>);

impl Lambda {
    /// Invokes these functions from now on, by their names.
    pub(super) fn serve(&self, functions: HashMap<String, Function>, entropy: Entropy) {
        let _ = self.0.set((functions, entropy));
    }

    /// Answers a call. `asked` is a function's name or its ARN, either with or without a version.
    pub(super) async fn invoke(&self, asked: &str, headers: &HeaderMap, payload: &[u8]) -> Response<Body> {
        let name = name(asked);
        let found =
            self.0.get().and_then(|(functions, entropy)| Some((functions.get(name)?.clone(), entropy)));
        let Some((function, entropy)) = found else {
            let problem = format!("Function not found: {name}");
            return refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", &problem);
        };
        let Some(event) = event(payload) else {
            let problem = "Could not parse request body into json";
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequestContentException", problem);
        };
        let request_id = format!("{:032x}", u128::from_be_bytes(entropy.bytes()));
        let kind = headers.get("x-amz-invocation-type").and_then(|value| value.to_str().ok());
        let mut response = match kind.unwrap_or("RequestResponse") {
            "RequestResponse" => outcome(function.invoke(&request_id, &event).await),
            "Event" => {
                tokio::spawn(invoke_later(function, request_id.clone(), event));
                empty(StatusCode::ACCEPTED)
            }
            "DryRun" => empty(StatusCode::NO_CONTENT),
            _ => {
                let problem = "InvocationType is RequestResponse, Event or DryRun";
                refusal(StatusCode::BAD_REQUEST, "InvalidParameterValueException", problem)
            }
        };
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// `token` of `token:$LATEST`, `000000000000:function:token` and `arn:aws:lambda:eu-central-1:…:function:token`.
fn name(asked: &str) -> &str {
    let (_, unqualified) = asked.rsplit_once("function:").unwrap_or(("", asked));
    unqualified.split(':').next().unwrap_or(unqualified)
}

/// No payload is an empty event.
fn event(payload: &[u8]) -> Option<Value> {
    if payload.is_empty() {
        return Some(json!({}));
    }
    serde_json::from_slice(payload).ok()
}

async fn invoke_later(function: Function, request_id: String, event: Value) {
    if let Err(error) = function.invoke(&request_id, &event).await {
        tracing::error!(%error, "asynchronous invocation failed");
    }
}

/// What a function answered, or how it failed: both with status 200.
fn outcome(invocation: Result<Value, InvokeError>) -> Response<Body> {
    let (payload, has_failed) = match invocation {
        Ok(answer) => (answer, false),
        Err(error) => {
            let kind = if matches!(error, InvokeError::TimedOut) { "Sandbox.Timedout" } else { "Unhandled" };
            (json!({ "errorType": kind, "errorMessage": error.to_string() }), true)
        }
    };
    let mut response = with_json(StatusCode::OK, &payload);
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    if has_failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    response
}

/// What Lambda itself says.
pub(super) fn refusal(status: StatusCode, kind: &'static str, problem: &str) -> Response<Body> {
    let whose = if status.is_server_error() { "Service" } else { "User" };
    let mut response = with_json(status, &json!({ "Type": whose, "Message": problem }));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}

fn with_json(status: StatusCode, json: &Value) -> Response<Body> {
    let mut response = empty(status);
    *response.body_mut() = Body::from(json.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
