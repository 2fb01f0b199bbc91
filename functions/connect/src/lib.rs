//! `GET /vk/connect`: an attempt is written, and the person is sent to VK.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Place, Provider, State};
use evosync_connections::pages::Problem;
use evosync_connections::platform::{Entropy, Platform, warm_up};
use evosync_connections::store::{Attempts, Begin};
use evosync_connections::telemetry::count_failure;
use evosync_connections::vk::{Authorization, Display};
use evosync_connections::web::{
    Answer, CookieJar, Failure, WebFunction, is_cross_site, sign_in_first, user_agent_is_phone,
};
use lambda_http::Request;

const PROVIDER: Provider = Provider::Vk;

/// The function: writes attempts, and knows no secret.
pub struct Function {
    attempts: Attempts,
    authorization: Authorization,
    jar: CookieJar,
    entropy: Entropy,
}

impl Function {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self {
            attempts: Attempts::new(platform, env)?,
            authorization: Authorization::new(env.vk_authorization()?, &base),
            jar: CookieJar::new(&base),
            entropy: platform.entropy.clone(),
        };
        warm_up(function.attempts.warm_up()).await;
        Ok(function)
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        // Another site must not make a person's browser start connecting (OWASP, login CSRF).
        if is_cross_site(request) {
            return Ok(Answer::problem(Problem::Forbidden));
        }
        let Some(credential) = self.jar.credential(request) else {
            return Ok(sign_in_first(&self.jar, Place::Provider(PROVIDER)));
        };
        let state = State::new(self.entropy.bytes());
        Ok(match self.attempts.begin(&credential, PROVIDER, &state.attempt_id()).await? {
            Begin::Started => {
                let display = if user_agent_is_phone(request) { Display::Mobile } else { Display::Page };
                Answer::see_other(self.authorization.url(&state, display))
            }
            Begin::NotSignedIn => sign_in_first(&self.jar, Place::Provider(PROVIDER)),
            Begin::TooMany => {
                count_failure(ErrorCode::TooManyAttempts);
                tracing::warn!(user = credential.user().as_str(), "too many attempts");
                Answer::see_other(Place::ProviderError(PROVIDER, ErrorCode::TooManyAttempts).path())
            }
        })
    }
}
