//! Reading requests.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, USER_AGENT};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};

use super::Answer;
use crate::domain::Provider;
use crate::pages::Problem;
use crate::params::Params;
use crate::providers::oauth::Device;

/// The query string's parameters.
pub fn params(request: &Request) -> Params {
    Params::parse(request.uri().query().unwrap_or_default().as_bytes())
}

/// The path as the client sent it, for functions that answer several.
pub fn path(request: &Request) -> &str {
    context(request).and_then(|context| context.http.path.as_deref()).unwrap_or_default()
}

/// The provider whose routes a request is one of: the first part of the path, as in `/vk/connect`.
pub fn provider(request: &Request) -> Option<Provider> {
    let first = path(request).split('/').nth(1)?;
    Provider::from_key(first)
}

/// The route API Gateway matched, such as `GET /vk`; empty where it does not say. For logs: emulators
/// do not all fill it in.
pub(super) fn route_key(request: &Request) -> &str {
    context(request).and_then(|context| context.route_key.as_deref()).unwrap_or_default()
}

/// What all log lines of a request share: API Gateway's id of it, which its own log names too; Lambda's
/// where it gave none.
pub fn correlation_id(request: &Request) -> String {
    let api_gateway = context(request).and_then(|context| context.request_id.as_deref());
    let lambda = || request.lambda_context_ref().map(|context| context.request_id.as_str());
    api_gateway.or_else(lambda).unwrap_or_default().to_owned()
}

fn context(request: &Request) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => Some(context),
        _ => None,
    }
}

/// The fields of a posted form, or the page that says why there are none. The length is looked at
/// before the text.
pub(super) fn form(request: &Request) -> Result<Params, Answer> {
    let body = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if body.len() > Params::MAX_LEN {
        return Err(Answer::problem(Problem::TooLarge));
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Answer::problem(Problem::BadRequest).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(Params::parse(body))
}

/// The kind of device, by client hint (`Sec-CH-UA-Mobile`) or `User-Agent`.
pub fn device(request: &Request) -> Device {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_phone = match header("sec-ch-ua-mobile") {
        Some(hint) => hint == "?1",
        None => header(USER_AGENT.as_str()).is_some_and(|agent| agent.contains("Mobi")),
    };
    if is_phone { Device::Phone } else { Device::Desktop }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &'static str, value: &str) -> bool {
        let mut request = Request::new(Body::Empty);
        request.headers_mut().insert(name, value.parse().unwrap());
        device(&request) == Device::Phone
    }

    #[test]
    fn phones_are_recognised_by_client_hint_or_user_agent() {
        assert!(agent("sec-ch-ua-mobile", "?1"));
        assert!(!agent("sec-ch-ua-mobile", "?0"));
        assert!(agent("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"));
        assert!(!agent("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"));
    }
}
