//! `POST /vk/disconnect`, and the same of every provider: deletes the connection and its tokens.

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Provider, ReturnTo, SessionCredential};
use evosync_connections::pages::{Done, JustDone, Notice, Problem};
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::providers::Registry;
use evosync_connections::store::{DisconnectStore, Removed};
use evosync_connections::telemetry::count_failure;
use evosync_connections::web::{
    Answer, Boot, CookieJar, Failure, FormPost, WebFunction, check_form_post, correlation_id, provider,
    sign_in_again, telling,
};
use lambda_http::Request;

/// The function: deletes connections. It cannot read them.
pub struct Function {
    store: DisconnectStore,
    providers: Vec<Provider>,
    base: BaseUrl,
    jar: CookieJar,
}

impl Function {
    async fn disconnect(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        correlation_id: &str,
    ) -> Result<Answer, Failure> {
        let return_to = match self.store.remove(credential, provider, correlation_id).await? {
            // Idempotent: a person may repeat the request after a lost response.
            Removed::Removed => {
                let answer = Answer::see_other(ReturnTo::Provider(provider).path());
                return Ok(telling(answer, &self.jar, &JustDone { done: Done::Disconnected, provider }));
            }
            Removed::TooMany => {
                count_failure(ErrorCode::TooManyAttempts);
                tracing::warn!(user = credential.user().as_str(), "rate limit: too many disconnections");
                ReturnTo::ProviderError(provider, ErrorCode::TooManyAttempts)
            }
            Removed::NotSignedIn => return Ok(self.sign_in_again(provider)),
        };
        Ok(Answer::see_other(return_to.path()))
    }

    fn sign_in_again(&self, provider: Provider) -> Answer {
        sign_in_again(&self.jar, Notice::SessionEnded, ReturnTo::Provider(provider))
    }
}

impl Boot for Function {
    async fn boot(
        env: &Env,
        platform: &Platform,
        _registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self {
            store: DisconnectStore::new(platform, env)?,
            providers: env.providers()?,
            jar: CookieJar::new(&base),
            base,
        };
        warm_up(function.store.warm_up()).await;
        Ok(function)
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some(provider) = provider(request).filter(|provider| self.providers.contains(provider)) else {
            return Ok(Answer::problem(Problem::NotFound));
        };
        match check_form_post(request, &self.base, &self.jar) {
            FormPost::ByPerson(credential) => {
                self.disconnect(&credential, provider, &correlation_id(request)).await
            }
            FormPost::WithoutSession => Ok(self.sign_in_again(provider)),
            FormPost::Refused(answer) => Ok(answer),
        }
    }
}
