//! Reads the removed rows of the connections' stream, and has the provider end what their tokens are good for.
//!
//! Best effort: the connection is gone already and waits for nothing. While the provider cannot be asked, Lambda
//! delivers the record again; what comes to nothing is counted and dropped. No dead-letter queue keeps it: soon its
//! tokens are of no use for ending anything.

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::TokenSet;
use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::platform::{Clock, Platform, warm_up};
use evosync_connections::providers::{PerProvider, Registry, Revoke, Revoked};
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeySource, TokenKeys};
use evosync_connections::secrets::SecretError;
use evosync_connections::store::RemovedTokens;
use evosync_connections::telemetry::METRICS;
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How long a provider that cannot be asked is tried. Lambda gives a record up an hour after it was written, and
/// tells nobody; long before that the function does, so that it is counted.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// The function. It knows the token keys and no secret that proves the application, and it can reach no table.
pub struct Function {
    table: String,
    keys: TokenKeySource,
    providers: PerProvider<Box<dyn Revoke>>,
    clock: Clock,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Revoked,
    NothingToRevoke,
    Failed,
    /// Lambda is to deliver it again.
    Unfinished,
}

impl Function {
    /// Reads the configuration and the token keys.
    pub async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let providers = env.providers()?;
        let function = Self {
            table: env.connections_table()?,
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            providers: PerProvider::build(&providers, |provider| registry.revoke(provider, env, platform))?,
            clock: platform.clock.clone(),
        };
        warm_up(async { function.keys.keys().await.map(drop) }).await;
        Ok(function)
    }

    /// Handles a batch of the stream's records at once, so that one that must wait holds up no other of its
    /// batch. Returns the first that must wait, from which Lambda delivers again ("Reporting batch item failures
    /// for Lambda functions with DynamoDB" in its developer guide): those behind it have ended by then, and once
    /// more does no harm.
    pub async fn handle(&self, event: &Value) -> Value {
        let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let keys = &self.keys.keys().await;
        let outcomes = join_all(records.iter().map(|record| self.end(record, keys))).await;
        count(&outcomes);
        let waiting = outcomes.iter().position(|outcome| *outcome == Outcome::Unfinished);
        let first = waiting.and_then(|index| records.get(index));
        let failures = first.map(|record| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }));
        json!({ "batchItemFailures": Vec::from_iter(failures) })
    }

    async fn end(&self, record: &Value, keys: &Result<TokenKeys, SecretError>) -> Outcome {
        let removed = match RemovedTokens::read(record) {
            Ok(Some(removed)) => removed,
            Ok(None) => return Outcome::NothingToRevoke,
            Err(problem) => {
                tracing::error!(
                    problem = chain(&problem),
                    id = record["eventID"].as_str(),
                    "record not read"
                );
                return Outcome::Failed;
            }
        };
        let Some(provider) = self.providers.get(removed.provider) else { return Outcome::NothingToRevoke };
        let revoked = match self.open(&removed, keys).await {
            Ok(tokens) => provider.revoke(tokens).await,
            Err(revoked) => revoked,
        };
        self.note(&removed, &revoked)
    }

    /// The tokens, or what comes of not having them.
    async fn open(
        &self,
        removed: &RemovedTokens,
        keys: &Result<TokenKeys, SecretError>,
    ) -> Result<TokenSet, Revoked> {
        let row = RowIdentity {
            table: &self.table,
            user: &removed.user,
            provider: removed.provider,
            generation: &removed.generation,
        };
        let unread = |error: &SecretError| Revoked::Transient(Cause::new(chain(error)));
        let opened = match keys.as_ref().map_err(unread)?.open(&removed.sealed, row) {
            // The key may be younger than those that were read.
            Err(OpenError::UnknownKey) => {
                self.keys.reread().await.map_err(|error| unread(&error))?.open(&removed.sealed, row)
            }
            opened => opened,
        };
        opened.map_err(|error| Revoked::Refused(Cause::new(chain(&error))))
    }

    fn note(&self, removed: &RemovedTokens, revoked: &Revoked) -> Outcome {
        let (user, provider) = (removed.user.as_str(), removed.provider.key());
        match revoked {
            Revoked::Ended => Outcome::Revoked,
            Revoked::NothingToEnd => Outcome::NothingToRevoke,
            Revoked::Transient(cause)
                if self.clock.now().duration_since(removed.removed_at) < GIVE_UP_AFTER =>
            {
                tracing::warn!(user, provider, cause = chain(cause), "tokens not revoked yet");
                Outcome::Unfinished
            }
            Revoked::Transient(cause) | Revoked::Refused(cause) => {
                tracing::error!(user, provider, cause = chain(cause), "tokens not revoked");
                Outcome::Failed
            }
        }
    }
}

fn count(outcomes: &[Outcome]) {
    let number = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    tracing::info!(
        target: METRICS,
        Revoked = number(Outcome::Revoked),
        NothingToRevoke = number(Outcome::NothingToRevoke),
        RevocationsFailed = number(Outcome::Failed),
    );
}
