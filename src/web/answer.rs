//! Answers, every one with the security headers.

use std::error::Error;

use cookie::Cookie;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use lambda_http::http::{Response, StatusCode};
use lambda_http::{Body, Request};

use super::Frame;
use crate::error_chain::chain;
use crate::pages::{self, Page, Problem};
use crate::texts::Language;

/// Pages run no script and load nothing from elsewhere; forms post only to this origin.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                   base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

/// What a function answers.
pub struct Answer {
    status: StatusCode,
    content: Content,
    cookies: Vec<Cookie<'static>>,
}

enum Content {
    Page(String),
    Problem(Problem),
    Redirect(String),
    Asset { media_type: &'static str, bytes: &'static [u8] },
}

impl Answer {
    /// A page in a language.
    pub fn page<P: Page>(page: &P, language: Language) -> Result<Self, Failure> {
        Ok(Self::new(StatusCode::OK, Content::Page(pages::render(page, language)?)))
    }

    /// A page that says what is wrong with the request, or with us.
    pub fn problem(problem: Problem) -> Self {
        let status = match problem {
            Problem::BadRequest | Problem::SignInFailed => StatusCode::BAD_REQUEST,
            Problem::Forbidden => StatusCode::FORBIDDEN,
            Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Problem::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, Content::Problem(problem))
    }

    /// 303 See Other: the browser comes again with GET.
    pub fn see_other(location: impl Into<String>) -> Self {
        Self::new(StatusCode::SEE_OTHER, Content::Redirect(location.into()))
    }

    /// A file whose name changes with its content.
    pub fn asset(media_type: &'static str, bytes: &'static [u8]) -> Self {
        Self::new(StatusCode::OK, Content::Asset { media_type, bytes })
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same answer with a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Cookie<'static>) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn new(status: StatusCode, content: Content) -> Self {
        Self { status, content, cookies: Vec::new() }
    }

    /// The response for API Gateway. Pages that report a problem are rendered here, in the reader's language.
    pub(super) fn into_response(
        self,
        frame: &Frame,
        request: &Request,
        correlation_id: &str,
    ) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = self.status;
        let mut policy = Policy {
            transport_security: frame.transport_security(),
            referrer: "same-origin",
            cache: "no-store",
            media_type: Some(HTML),
        };
        match self.content {
            Content::Page(html) => *response.body_mut() = Body::Text(html),
            Content::Problem(problem) => {
                // Sign-in's callback may end here, with a code in the address.
                policy.referrer = "no-referrer";
                *response.body_mut() =
                    Body::Text(pages::problem(problem, &frame.help(correlation_id), frame.language(request)));
            }
            Content::Redirect(location) => {
                // On the way to and from a provider the address holds code and state.
                policy = Policy { referrer: "no-referrer", media_type: None, ..policy };
                match HeaderValue::try_from(location) {
                    Ok(location) => drop(response.headers_mut().insert(LOCATION, location)),
                    Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
                }
            }
            Content::Asset { media_type, bytes } => {
                let cache = "public, max-age=31536000, immutable";
                policy = Policy { cache, media_type: Some(media_type), ..policy };
                *response.body_mut() = Body::Binary(bytes.to_vec());
            }
        }
        policy.apply(&mut response);
        for cookie in self.cookies {
            if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
                response.headers_mut().append(SET_COOKIE, value);
            }
        }
        response
    }
}

const HTML: &str = "text/html; charset=utf-8";

struct Policy {
    transport_security: &'static str,
    referrer: &'static str,
    cache: &'static str,
    media_type: Option<&'static str>,
}

impl Policy {
    fn apply(&self, response: &mut Response<Body>) {
        let headers = [
            (CONTENT_SECURITY_POLICY, CSP),
            (STRICT_TRANSPORT_SECURITY, self.transport_security),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (REFERRER_POLICY, self.referrer),
            (CACHE_CONTROL, self.cache),
        ];
        let media_type = self.media_type.map(|media_type| (CONTENT_TYPE, media_type));
        let vary = (self.media_type == Some(HTML)).then_some((VARY, "Accept-Language, Cookie"));
        for (name, value) in headers.into_iter().chain(media_type).chain(vary) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Why a function cannot answer: the cause for the log, and the page for the person.
#[derive(Debug)]
pub struct Failure {
    pub(super) cause: String,
    pub(super) problem: Problem,
}

impl Failure {
    /// A failure of something the function depends on.
    pub fn unavailable(error: &dyn Error) -> Self {
        Self { cause: chain(error), problem: Problem::Unavailable }
    }

    /// A failure of the product itself.
    fn internal(error: &dyn Error) -> Self {
        Self { cause: chain(error), problem: Problem::Failed }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<pages::RenderError> for Failure {
    fn from(error: pages::RenderError) -> Self {
        Self::internal(&error)
    }
}
