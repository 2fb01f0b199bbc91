//! Events of payload format 2.0 (API Gateway: "Create AWS Lambda proxy integrations for HTTP APIs").

use std::collections::BTreeMap;

use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::routes::Match;

/// A request as it came in.
pub struct Incoming<'a> {
    /// Request line and headers.
    pub head: &'a Parts,
    /// The whole body.
    pub body: &'a [u8],
}

/// The event of a request.
pub fn event(incoming: &Incoming<'_>, matched: &Match<'_>, request_id: &str, now: Timestamp) -> Value {
    let Parts { method, uri, headers, .. } = incoming.head;
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let query = uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.route.key,
        "rawPath": percent_decode_str(uri.path()).decode_utf8_lossy(),
        "rawQueryString": query,
        "headers": joined_headers(incoming.head),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": header(HOST).unwrap_or_default(),
            "domainPrefix": "local",
            "http": {
                "method": method.as_str(),
                "path": uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": header(USER_AGENT).unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": matched.route.key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let lines = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let cookies: Vec<_> =
        lines.flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(joined_query(query));
    }
    if !matched.parameters.is_empty() {
        event["pathParameters"] = json!(matched.parameters);
    }
    if !incoming.body.is_empty() {
        let (text, is_base64) = body(incoming.body, &header(CONTENT_TYPE).unwrap_or_default());
        event["body"] = json!(text);
        event["isBase64Encoded"] = json!(is_base64);
    }
    event
}

/// Lower-case names, repeated values joined by commas, cookies apart.
fn joined_headers(head: &Parts) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|earlier| *earlier = format!("{earlier},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    joined.insert("x-forwarded-for".to_owned(), "127.0.0.1".to_owned());
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined
}

fn joined_query(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        joined
            .entry(decode(name))
            .and_modify(|earlier| *earlier = format!("{earlier},{}", decode(value)))
            .or_insert_with(|| decode(value));
    }
    joined
}

/// Text stays text; everything else, forms included, is base64.
fn body(bytes: &[u8], content_type: &str) -> (String, bool) {
    let is_text = ["text/", "application/json", "application/javascript", "application/xml"]
        .iter()
        .any(|prefix| content_type.starts_with(prefix));
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (STANDARD.encode(bytes), true),
    }
}
