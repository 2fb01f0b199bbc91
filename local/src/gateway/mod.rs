//! API Gateway's HTTP API: matches routes, turns requests into events of payload format 2.0, and
//! functions' responses into HTTP, within API Gateway's own limits.

mod event;
mod routes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evosync_connections::platform::{Clock, Entropy};
use serde_json::Value;

use crate::cloudformation::Route;
use crate::functions::{Function, InvokeError};
pub use event::{Incoming, event};
use routes::{Match, Routes};

/// The largest body, in bytes (HTTP API quotas: payload size).
const MAX_BODY: usize = 10 * 1024 * 1024;
/// The largest request line and headers, in bytes (HTTP API quotas).
const MAX_HEAD: usize = 10_240;
/// The longest an integration may take (HTTP API quotas: maximum integration timeout).
const TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP API.
pub struct Gateway {
    routes: Routes,
    functions: HashMap<String, Function>,
    clock: Clock,
    entropy: Entropy,
}

impl Gateway {
    /// The API of a template's routes.
    pub fn new(
        routes: Vec<Route>,
        functions: HashMap<String, Function>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self { routes: Routes::new(routes), functions, clock, entropy }
    }

    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(self)
    }

    async fn answer(&self, request: Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let head_len = head.uri.to_string().len()
            + head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        if head_len > MAX_HEAD {
            return message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        let Ok(body) = to_bytes(body, MAX_BODY).await else {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let Some(matched) = self.routes.find(head.method.as_str(), head.uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        self.invoke(&matched, &Incoming { head: &head, body: &body }).await
    }

    async fn invoke(&self, matched: &Match<'_>, incoming: &Incoming<'_>) -> Response<Body> {
        let request_id = STANDARD.encode(self.entropy.bytes::<12>());
        let Some(function) = self.functions.get(&matched.route.function) else {
            return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        let event = event(incoming, matched, &request_id, self.clock.now());
        let invocation = tokio::time::timeout(TIMEOUT, function.invoke(&request_id, &event)).await;
        match invocation.unwrap_or(Err(InvokeError::TimedOut)) {
            Ok(answer) => response(&answer)
                .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
            Err(InvokeError::TimedOut) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Err(error) => {
                tracing::error!(%error, function = matched.route.function, "invocation failed");
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    gateway.answer(request).await
}

/// What API Gateway itself says.
fn message(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{{\"message\":\"{text}\"}}")));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// A function's response of payload format 2.0 as HTTP; `None` for one API Gateway would not accept.
fn response(answer: &Value) -> Option<Response<Body>> {
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        Body::from(STANDARD.decode(body).ok()?)
    } else {
        Body::from(body.to_owned())
    };
    let mut response = Response::new(body);
    let status = answer["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok())?;
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        insert(response.headers_mut(), name, value)?;
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        insert(response.headers_mut(), "set-cookie", cookie)?;
    }
    Some(response)
}

fn insert(headers: &mut HeaderMap, name: &str, value: &Value) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.append(name, HeaderValue::from_str(value.as_str()?).ok()?);
    Some(())
}
