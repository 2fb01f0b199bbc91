//! `GET /connections`: every provider with its state. `GET /` leads there.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{Place, Provider};
use evosync_connections::pages::{Dashboard, Person};
use evosync_connections::platform::{Clock, Platform, note_warm_up};
use evosync_connections::store::View;
use evosync_connections::web::{Answer, CookieJar, Failure, WebFunction, path, sign_in_first};
use jiff::tz::TimeZone;
use lambda_http::Request;

/// The function: reads one session and its connections, without their tokens.
pub struct Function {
    view: View,
    jar: CookieJar,
    clock: Clock,
    zone: TimeZone,
}

impl Function {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let function = Self {
            view: View::new(platform, env)?,
            jar: CookieJar::new(&env.base_url()?),
            clock: platform.clock.clone(),
            zone: env.display_timezone()?,
        };
        note_warm_up(function.view.warm_up().await);
        Ok(function)
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        if path(request) == "/" {
            return Ok(Answer::see_other(Place::Connections.path()));
        }
        let Some(credential) = self.jar.credential(request) else {
            return Ok(sign_in_first(&self.jar, Place::Connections));
        };
        let Some(signed_in) = self.view.open(&credential, Provider::ALL).await? else {
            return Ok(sign_in_first(&self.jar, Place::Connections));
        };
        let person = Person::new(&signed_in.session, &credential);
        Answer::page(&Dashboard::new(person, &signed_in.connections, self.clock.now(), &self.zone))
    }
}
