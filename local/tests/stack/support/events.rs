//! Events of API Gateway, from fixtures.

use serde_json::Value;

/// The event of a fixture, with its route, query string and cookies set.
pub(crate) fn event(route: &str, query: &str, cookies: &[&str]) -> Value {
    let (_, path) = route.split_once(' ').unwrap_or(("", "/"));
    let mut event: Value = serde_json::from_str(include_str!("../events/get.json")).expect("a JSON fixture");
    event["routeKey"] = route.into();
    event["requestContext"]["routeKey"] = route.into();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["rawQueryString"] = query.into();
    if !cookies.is_empty() {
        event["cookies"] = cookies.to_vec().into();
    }
    event
}

/// A header of a function's response.
pub(crate) fn response_header<'a>(response: &'a Value, name: &str) -> &'a str {
    response["headers"][name].as_str().unwrap_or_default()
}
