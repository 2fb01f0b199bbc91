//! `GET /vk/connect`, and the same of every provider: writes an attempt and redirects the person to the
//! provider.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{ATTEMPT_LIFETIME, ErrorCode, ReturnTo, State};
use evosync_connections::pages::Problem;
use evosync_connections::platform::{Entropy, Platform, warm_up};
use evosync_connections::providers::oauth::AuthorizationRequest;
use evosync_connections::providers::{Authorize, PerProvider, Registry};
use evosync_connections::store::{Begin, ConnectStore};
use evosync_connections::telemetry::count_failure;
use evosync_connections::web::{
    Answer, Boot, CookieJar, CookieName, Failure, WebFunction, device, is_cross_site, provider, sign_in_first,
};
use lambda_http::Request;

/// The function: writes attempts. It reads no secret.
pub struct Function {
    store: ConnectStore,
    providers: PerProvider<Box<dyn Authorize>>,
    jar: CookieJar,
    entropy: Entropy,
}

impl Boot for Function {
    async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let (base, providers) = (env.base_url()?, env.providers()?);
        let function = Self {
            store: ConnectStore::new(platform, env)?,
            providers: PerProvider::build(&providers, |provider| registry.authorize(provider, env, &base))?,
            jar: CookieJar::new(&base),
            entropy: platform.entropy.clone(),
        };
        warm_up(function.store.warm_up()).await;
        Ok(function)
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some((provider, authorize)) = self.providers.of(provider(request)) else {
            return Ok(Answer::problem(Problem::NotFound));
        };
        // Another site must not make a person's browser start connecting (OWASP, login CSRF): its link leads to the
        // page where the person can.
        if is_cross_site(request) {
            return Ok(Answer::see_other(ReturnTo::Provider(provider).path()));
        }
        let Some(credential) = self.jar.credential(request) else {
            return Ok(sign_in_first(&self.jar, ReturnTo::Provider(provider)));
        };
        let state = State::new(self.entropy.bytes());
        Ok(match self.store.begin(&credential, provider, &state.attempt_id()).await? {
            Begin::Started => {
                let verifier = &credential.code_verifier(provider, &state);
                let request = AuthorizationRequest { state: &state, verifier, device: device(request) };
                let answer = Answer::see_other(authorize.url(&request));
                if authorize.may_lose_state() {
                    let seconds = Some(ATTEMPT_LIFETIME.as_secs());
                    answer.with_cookie(self.jar.set(CookieName::State, state.secret(), seconds))
                } else {
                    answer
                }
            }
            Begin::NotSignedIn => sign_in_first(&self.jar, ReturnTo::Provider(provider)),
            Begin::TooMany => {
                count_failure(ErrorCode::TooManyAttempts);
                tracing::warn!(user = credential.user().as_str(), "rate limit: too many attempts to connect");
                Answer::see_other(ReturnTo::ProviderError(provider, ErrorCode::TooManyAttempts).path())
            }
        })
    }
}
