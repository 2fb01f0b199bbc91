//! `GET /vk`: the connection to VK, or the invitation to make one, and why the last try failed.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Place, Provider};
use evosync_connections::pages::{Person, Problem, ProviderPage};
use evosync_connections::platform::{Clock, Platform, note_warm_up};
use evosync_connections::store::View;
use evosync_connections::web::{Answer, CookieJar, Failure, WebFunction, params, sign_in_first};
use jiff::tz::TimeZone;
use lambda_http::Request;

const PROVIDER: Provider = Provider::Vk;

/// The function: reads one session and one connection, without its token.
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
        let Ok(params) = params(request) else {
            return Ok(Answer::problem(Problem::BadRequest));
        };
        let Ok(error) = params.one("error") else {
            return Ok(Answer::problem(Problem::BadRequest));
        };
        let signed_in = match self.jar.credential(request) {
            Some(credential) => {
                self.view.open(&credential, &[PROVIDER]).await?.map(|signed_in| (credential, signed_in))
            }
            None => None,
        };
        let Some((credential, signed_in)) = signed_in else {
            return Ok(sign_in_first(&self.jar, place(error)));
        };
        let person = Person::new(&signed_in.session, &credential);
        let connection = signed_in.connections.first();
        let page = ProviderPage::new(person, PROVIDER, connection, self.clock.now(), &self.zone);
        Answer::page(&match error {
            Some(code) => page.with_error(code),
            None => page,
        })
    }
}

/// A person who must sign in first comes back to the same words.
fn place(error: Option<&str>) -> Place {
    match error.and_then(ErrorCode::from_code) {
        Some(code) => Place::ProviderError(PROVIDER, code),
        None => Place::Provider(PROVIDER),
    }
}
