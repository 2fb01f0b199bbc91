//! `GET /vk`, and the same page of every provider: the connection, or a link to connect, and why the
//! last attempt failed.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{ErrorCode, Provider, ReturnTo};
use evosync_connections::pages::{Problem, ProviderPage};
use evosync_connections::platform::Platform;
use evosync_connections::providers::{PerProvider, Registry, Words};
use evosync_connections::web::{Answer, Boot, Failure, SignedInLoader, WebFunction, params, provider};
use lambda_http::Request;

/// The function: reads one session and one connection, without its token.
pub struct Function {
    signed_in: SignedInLoader,
    words: PerProvider<&'static Words>,
}

impl Boot for Function {
    async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let providers = env.providers()?;
        Ok(Self {
            signed_in: SignedInLoader::boot(env, platform).await?,
            words: PerProvider::build(&providers, |provider| Ok(registry.words(provider)))?,
        })
    }
}

impl WebFunction for Function {
    const SHOWS_PAGES: bool = true;

    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some((provider, words)) = self.words.of(provider(request)) else {
            return Ok(Answer::problem(Problem::NotFound));
        };
        let params = params(request);
        let Ok(error) = params.one("error") else {
            return Ok(Answer::problem(Problem::BadRequest));
        };
        let signed_in = match self.signed_in.load(request, &[provider], return_to(provider, error)).await? {
            Ok(signed_in) => signed_in,
            Err(sign_in) => return Ok(sign_in),
        };
        let (connection, view) = (signed_in.connections.first(), &signed_in.view);
        let words = words.spoken(view.language);
        let page = ProviderPage::new(signed_in.person, (provider, words), connection, view);
        let page = match error {
            Some(code) => page.with_error(code, words, view),
            None => page,
        };
        self.signed_in.answer(&page, view)
    }
}

/// Keeps the error code, so that a person who must sign in first returns to the same message.
fn return_to(provider: Provider, error: Option<&str>) -> ReturnTo {
    match error.and_then(ErrorCode::from_code) {
        Some(code) => ReturnTo::ProviderError(provider, code),
        None => ReturnTo::Provider(provider),
    }
}
