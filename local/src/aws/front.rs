//! The one endpoint: which service a call is for, and what becomes of it there.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::calls::{Calls, Fate};
use super::event_bus::EventBus;
use super::lambda::{self, Lambda};
use super::secrets_manager::SecretsManager;

/// The services behind the endpoint.
pub(super) struct Front {
    pub(super) dynamodb_url: String,
    pub(super) http: reqwest::Client,
    pub(super) secrets: SecretsManager,
    pub(super) bus: EventBus,
    pub(super) lambda: Lambda,
    pub(super) calls: Calls,
}

/// `X-Amz-Target` names service and operation, as in `DynamoDB_20120810.BatchGetItem`.
pub(super) async fn dispatch(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or_default();
    let fate = front.calls.note(operation).await;
    match fate {
        Fate::Answer | Fate::Lose => {}
        Fate::Conflict => {
            return answer(StatusCode::BAD_REQUEST, r#"{"__type":"TransactionConflictException"}"#);
        }
        Fate::Fail => {
            return answer(StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type":"InternalServerError"}"#);
        }
        Fate::LeaveUnprocessed => return unprocessed(&body),
    }
    let other = match (service, operation) {
        ("secretsmanager", _) => Some(front.secrets.handle(operation, &body)),
        ("AWSEvents", "PutEvents") => Some(front.bus.put_events(&body)),
        ("AmazonSQS", "SendMessage") => Some(front.bus.send_message(&body)),
        _ => None,
    };
    if let Some((status, json)) = other {
        return answer(status, &json.to_string());
    }
    let answered = forward(&front.http, &front.dynamodb_url, &headers, body).await.unwrap_or_else(|error| {
        tracing::error!(%error, "embedded DynamoDB not reached");
        answer(StatusCode::BAD_GATEWAY, "{}")
    });
    match fate {
        Fate::Lose => answer(StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type":"InternalServerError"}"#),
        _ => answered,
    }
}

/// Lambda's `Invoke`, whose address names the function.
pub(super) async fn invoke(
    State(front): State<Arc<Front>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Bytes,
) -> Response<Body> {
    let failed = || lambda::refusal(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", "Lambda fails");
    match front.calls.note("Invoke").await {
        Fate::Answer => front.lambda.invoke(&name, &headers, &payload).await,
        Fate::Lose => {
            front.lambda.invoke(&name, &headers, &payload).await;
            failed()
        }
        Fate::Fail | Fate::Conflict | Fate::LeaveUnprocessed => failed(),
    }
}

/// Hands a call on to the endpoint of another service.
#[expect(clippy::disallowed_methods, reason = "a hop within this machine")]
async fn forward(
    http: &reqwest::Client,
    url: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> reqwest::Result<Response<Body>> {
    let mut request = http.post(url).body(body);
    for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = Body::from(answer.bytes().await?);
    Ok(response)
}

/// A batch read in which nothing was read.
fn unprocessed(request: &[u8]) -> Response<Body> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let json = json!({ "Responses": {}, "UnprocessedKeys": request["RequestItems"] });
    answer(StatusCode::OK, &json.to_string())
}

/// An answer in AWS's JSON protocol.
pub(super) fn answer(status: StatusCode, json: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json.to_owned()));
    *response.status_mut() = status;
    let media_type = axum::http::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert("content-type", media_type);
    response
}
