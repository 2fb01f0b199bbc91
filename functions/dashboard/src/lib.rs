//! `GET /connections`: every provider with its state. `GET /` redirects there.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{Provider, ReturnTo};
use evosync_connections::pages::Dashboard;
use evosync_connections::platform::Platform;
use evosync_connections::providers::{PerProvider, Registry, Words};
use evosync_connections::web::{Answer, Boot, Failure, SignedInLoader, WebFunction, path};
use lambda_http::Request;

/// The function: reads one session and its connections, without their tokens.
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
        if path(request) == "/" {
            return Ok(Answer::see_other(ReturnTo::Connections.path()));
        }
        let providers: Vec<Provider> = self.words.iter().map(|(provider, _)| provider).collect();
        let signed_in = match self.signed_in.load(request, &providers, ReturnTo::Connections).await? {
            Ok(signed_in) => signed_in,
            Err(sign_in) => return Ok(sign_in),
        };
        let (connections, view) = (&signed_in.connections, &signed_in.view);
        self.signed_in.answer(&Dashboard::new(signed_in.person, &self.words, connections, view), view)
    }
}
