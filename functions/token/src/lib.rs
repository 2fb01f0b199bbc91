//! Hands a live token to a sync worker. Invoked by roles that IAM allows to, and by no route.
//!
//! | file | what it is |
//! | --- | --- |
//! | `request`, `answer` | what a worker asks for, and gets |
//! | `issue` | from a request to a token: what the row says, and renewing where its time is short |
//! | `refused` | a token that the provider refused: checked, renewed, or called broken |

mod answer;
mod issue;
mod refused;
mod request;

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::providers::{Check, PerProvider, Registry, Renew};
use evosync_connections::sealing::TokenKeySource;
use evosync_connections::store::sweep::{ConnectionStore, DynamoSweepStore, RowKey};
use evosync_connections::telemetry::record_token;
use futures_util::future::join_all;
use lambda_runtime::Context;
use serde_json::Value;
use tracing::Instrument as _;

use answer::Refusal;
use issue::Issue;
use request::Request;

/// The function: the only one that lets a token out.
pub struct Function {
    store: Box<dyn ConnectionStore>,
    providers: PerProvider<Box<dyn Check>>,
    renewers: PerProvider<Box<dyn Renew>>,
    keys: TokenKeySource,
    /// The address that calls leave from, where it is one.
    egress: Option<String>,
    platform: Platform,
}

impl Function {
    /// Reads the configuration and the secrets, and opens the connection to the table.
    pub async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let providers = env.providers()?;
        let function = Self {
            store: Box::new(DynamoSweepStore::new(platform, env)?),
            providers: PerProvider::build(&providers, |provider| registry.check(provider, env, platform))?,
            renewers: PerProvider::build(&providers, |provider| registry.renew(provider, env, platform))?,
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            egress: env.optional("EGRESS_ADDRESS"),
            platform: platform.clone(),
        };
        let nobody = RowKey { user: "warm-up".to_owned(), provider: "warm-up".to_owned() };
        futures_util::join!(
            warm_up(async { function.store.read(nobody).await.map(drop) }),
            warm_up(async { function.keys.keys().await.map(drop) }),
            join_all(function.renewers.iter().map(|(_, renew)| warm_up(renew.prepare()))),
        );
        Ok(function)
    }

    /// Answers with a token, or with an error by its name. Each use is an audit event.
    pub async fn handle(&self, event: &Value, context: &Context) -> Value {
        let span = tracing::info_span!("token", correlation_id = context.request_id);
        self.answer(event, &context.request_id).instrument(span).await
    }

    async fn answer(&self, event: &Value, correlation_id: &str) -> Value {
        let request = match Request::parse(event) {
            Ok(request) => request,
            Err(problem) => {
                tracing::warn!(problem, "malformed request");
                return Refusal::BadRequest(problem).to_json();
            }
        };
        let issued = Issue { function: self, request: &request, correlation_id }.token().await;
        let (code, version) = match &issued {
            Ok(token) => ("issued", Some(token.version.as_str())),
            Err(refusal) => (refusal.code(), None),
        };
        record_token(&request.user, request.provider, code, version);
        issued.map_or_else(|refusal| refusal.to_json(), |token| token.to_json())
    }
}
