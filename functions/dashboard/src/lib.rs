//! `GET /connections`: every provider with its state. `GET /` leads there.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{Place, Provider};
use evosync_connections::pages::Dashboard;
use evosync_connections::platform::Platform;
use evosync_connections::web::{Answer, Failure, Visits, WebFunction, path};
use lambda_http::Request;

/// The function: reads one session and its connections, without their tokens.
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
        if path(request) == "/" {
            return Ok(Answer::see_other(Place::Connections.path()));
        }
        let page = self.visits.receive(request, Provider::ALL, Place::Connections, |visit| {
            Answer::page(&Dashboard::new(visit.person, &visit.connections, visit.now, visit.zone))
        });
        page.await
    }
}
