//! A function that panics at every request, with a canary in its message. It is built like the deployed
//! functions, and tests that a panic ends in a page, a counted failure, and a log without the canary.

use evosync_connections::domain::ErrorCode;
use evosync_connections::pages::Problem;
use evosync_connections::telemetry::count_failure;
use evosync_connections::web::{Answer, Failure, WebFunction};
use lambda_http::Request;

struct Panics;

impl WebFunction for Panics {
    #[expect(clippy::panic, reason = "this is what it is for")]
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        panic!("canary-of-the-panic: {request:?}");
    }

    fn cut_off(&self, _request: &Request, problem: Problem) -> Answer {
        count_failure(ErrorCode::Storage);
        Answer::problem(problem)
    }
}

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::run(Panics)
}
