//! Running a function: one request in, one answer out, whatever happens.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, join};
use lambda_http::http::Response;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, Service, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use tracing::Instrument as _;

use super::request::{correlation_id, route_key};
use super::{Answer, Failure, Frame};
use crate::config::{ConfigError, Env};
use crate::pages::{self, Problem};
use crate::platform::Platform;
use crate::providers::{Registered, Registry};
use crate::telemetry;

/// How long a function may work on an answer. Lambda ends it after the 25 seconds of the template, and
/// API Gateway then answers in its own words: a page of ours must come first.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(22);

/// A function behind API Gateway.
pub trait WebFunction: Send + Sync + 'static {
    /// Whether it mostly answers with pages, so that their templates are parsed at the start. Others parse one when
    /// something fails.
    const SHOWS_PAGES: bool = false;

    /// Answers one request.
    fn answer(&self, request: &Request) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Answers in place of [`WebFunction::answer`] where that panicked or took too long.
    fn cut_off(&self, _request: &Request, problem: Problem) -> Answer {
        Answer::problem(problem)
    }
}

/// A function that is configured by its environment.
pub trait Boot: WebFunction + Sized {
    /// Reads the configuration, and opens the connections that the first request will need.
    fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> impl Future<Output = Result<Self, ConfigError>>;
}

/// Boots a function in Lambda and runs it until the environment ends: the whole `main` of its
/// binary.
pub fn main<F: Boot>() -> Result<(), Error> {
    in_lambda(async |env| F::boot(env, &Platform::of_lambda(), &Registered).await)
}

/// Runs a function in Lambda that needs nothing to boot, so that its binary holds no AWS client.
pub fn run(function: impl WebFunction) -> Result<(), Error> {
    in_lambda(async |_| Ok(function))
}

/// One thread is enough: Lambda hands over one request at a time.
fn in_lambda<F: WebFunction>(boot: impl AsyncFnOnce(&Env) -> Result<F, ConfigError>) -> Result<(), Error> {
    let env = Env::of_process();
    telemetry::init(&env);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let prepare = async {
            if F::SHOWS_PAGES {
                pages::prepare().await;
            }
        };
        let (function, ()) = join!(boot(&env), prepare);
        let function = function.inspect_err(telemetry::cannot_boot)?;
        let frame = Frame::new(&env).inspect_err(telemetry::cannot_boot)?;
        lambda_http::lambda_runtime::run(service(function, frame)).await
    })
}

/// A function as Lambda invokes it: from API Gateway's event to API Gateway's response.
pub fn service<F: WebFunction>(
    function: F,
    frame: Frame,
) -> impl Service<
    LambdaEvent<LambdaRequest>,
    Response = impl Serialize + Send + 'static,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let answering = Arc::new((function, frame));
    let handler = service_fn(move |request| {
        let answering = Arc::clone(&answering);
        async move {
            let (function, frame) = &*answering;
            Ok::<_, Infallible>(respond(function, frame, request, ANSWER_WITHIN).await)
        }
    });
    Adapter::from(handler).map_request(normalise)
}

/// Answers even where the function fails, panics or takes longer than `within`.
async fn respond<F: WebFunction>(
    function: &F,
    frame: &Frame,
    request: Request,
    within: Duration,
) -> Response<Body> {
    let correlation_id = correlation_id(&request);
    let span = tracing::info_span!("request", correlation_id, route = route_key(&request));
    async {
        let answering = AssertUnwindSafe(function.answer(&request)).catch_unwind();
        let answer = match tokio::time::timeout(within, answering).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(failure))) => {
                tracing::error!(cause = failure.cause, "failed");
                Answer::problem(failure.problem)
            }
            Ok(Err(_panic)) => function.cut_off(&request, Problem::Failed),
            Err(_elapsed) => {
                tracing::error!(cause = "took too long", "failed");
                function.cut_off(&request, Problem::Unavailable)
            }
        };
        tracing::info!(status = answer.status().as_u16(), "answered");
        let answer = frame.choice(&request).into_iter().fold(answer, Answer::with_cookie);
        answer.into_response(frame, &request, &correlation_id)
    }
    .instrument(span)
    .await
}

/// What a query string may not hold as it is (RFC 3986, section 3.4).
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\');

/// Keeps `lambda_http` from panicking on what a client sent: it builds an absolute address out of
/// the `Host` header and the path, neither of which anything here reads (the gateway has matched
/// the route), and takes the query string as it came. One cookie that is no plain text would cost
/// all the others, and any script on a neighbouring subdomain can set one.
fn normalise(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.headers.remove("host");
        request.request_context.domain_name = None;
        request.raw_path = Some("/".to_owned());
        if let Some(cookies) = &mut request.cookies {
            cookies.retain(|cookie| cookie.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        if let Some(query) = &mut request.raw_query_string {
            *query = utf8_percent_encode(query, NOT_IN_QUERY).to_string();
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics, or takes for ever.
    struct Broken {
        panics: bool,
    }

    impl WebFunction for Broken {
        async fn answer(&self, _: &Request) -> Result<Answer, Failure> {
            assert!(!self.panics, "a panic that may hold anything");
            std::future::pending().await
        }
    }

    /// The answer's status and page; it has the security headers all others have.
    async fn answer_of(function: Broken) -> (u16, String) {
        let frame =
            Frame::new(&Env::of_map([("BASE_URL".to_owned(), "https://shop.example".to_owned())].into()));
        let frame = frame.unwrap();
        let response = respond(&function, &frame, Request::new(Body::Empty), Duration::from_millis(1)).await;
        assert!(response.headers()["content-security-policy"].as_bytes().starts_with(b"default-src 'none'"));
        let Body::Text(page) = response.body() else { panic!("no page") };
        (response.status().as_u16(), page.clone())
    }

    #[tokio::test]
    async fn a_panic_is_a_page_that_tells_nothing() {
        let (status, page) = answer_of(Broken { panics: true }).await;
        assert_eq!(status, 500);
        assert!(page.contains("Неполадка на нашей стороне") && !page.contains("may hold anything"), "{page}");
    }

    #[tokio::test]
    async fn a_function_that_takes_too_long_is_answered_for() {
        let (status, page) = answer_of(Broken { panics: false }).await;
        assert_eq!(status, 503);
        assert!(page.contains("<h1"), "{page}");
    }
}
