//! `POST /vk/disconnect`: the connection and its token are deleted.

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Place, Provider, SessionCredential};
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::store::{Removal, Removed};
use evosync_connections::telemetry::{AuditEvent, count_failure};
use evosync_connections::web::{
    Answer, CookieJar, Failure, Notice, Posted, WebFunction, posted, sign_in_again,
};
use lambda_http::Request;

const PROVIDER: Provider = Provider::Vk;

/// The function: deletes connections, and can read none.
pub struct Function {
    removal: Removal,
    base: BaseUrl,
    jar: CookieJar,
}

impl Function {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self { removal: Removal::new(platform, env)?, jar: CookieJar::new(&base), base };
        warm_up(function.removal.warm_up()).await;
        Ok(function)
    }

    async fn disconnect(&self, credential: &SessionCredential) -> Result<Answer, Failure> {
        let place = match self.removal.remove(credential, PROVIDER).await? {
            // Whoever asks twice may have been cut off before the first time was written down, and it is
            // by these events that a restored table leaves them out.
            Removed::Removed | Removed::NothingThere => {
                AuditEvent::Disconnected.record(credential.user(), PROVIDER, None);
                Place::Provider(PROVIDER)
            }
            Removed::TooMany => {
                count_failure(ErrorCode::TooManyAttempts);
                tracing::warn!(user = credential.user().as_str(), "too many disconnections");
                Place::ProviderError(PROVIDER, ErrorCode::TooManyAttempts)
            }
            Removed::NotSignedIn => return Ok(self.sign_in_again()),
        };
        Ok(Answer::see_other(place.path()))
    }

    fn sign_in_again(&self) -> Answer {
        sign_in_again(&self.jar, Notice::SessionEnded, Place::Provider(PROVIDER))
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        match posted(request, &self.base, &self.jar) {
            Posted::ByPerson(credential) => self.disconnect(&credential).await,
            Posted::WithoutSession => Ok(self.sign_in_again()),
            Posted::Refused(answer) => Ok(answer),
        }
    }
}
