//! `GET /vk`: the connection to VK, or the invitation to make one, and why the last try failed.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Place, Provider};
use evosync_connections::pages::{Problem, ProviderPage};
use evosync_connections::platform::Platform;
use evosync_connections::web::{Answer, Failure, Visits, WebFunction, params};
use lambda_http::Request;

const PROVIDER: Provider = Provider::Vk;

/// The function: reads one session and one connection, without its token.
pub struct Function {
    visits: Visits,
}

impl Function {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { visits: Visits::boot(env, platform).await? })
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Ok(params) = params(request) else {
            return Ok(Answer::problem(Problem::BadRequest));
        };
        let Ok(error) = params.one("error") else {
            return Ok(Answer::problem(Problem::BadRequest));
        };
        let page = self.visits.receive(request, &[PROVIDER], place(error), |visit| {
            let connection = visit.connections.first();
            let page = ProviderPage::new(visit.person, PROVIDER, connection, visit.now, visit.zone);
            Answer::page(&match error {
                Some(code) => page.with_error(code),
                None => page,
            })
        });
        page.await
    }
}

/// A person who must sign in first comes back to the same words.
fn place(error: Option<&str>) -> Place {
    match error.and_then(ErrorCode::from_code) {
        Some(code) => Place::ProviderError(PROVIDER, code),
        None => Place::Provider(PROVIDER),
    }
}
