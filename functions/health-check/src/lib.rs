//! The sweep: every so often it asks each provider whether the stored tokens still work. It records the
//! verdict, unless the connection has changed in the meantime.
//!
//! | file | what it is |
//! | --- | --- |
//! | `wake` | why the function is invoked, and the queue that wakes workers |
//! | `worker` | one invocation: begins a run, does its parts, ends it |
//! | `page`, `check` | the connections of a page, one connection |
//! | `closing` | whether deaths are believed |
//! | `renew` | new tokens for those whose time has run out |
//! | `rate_limit`, `deadline` | how fast, and how long |
//! | `summary` | what was found |

mod check;
mod closing;
mod deadline;
mod error;
mod page;
mod rate_limit;
mod renew;
mod summary;
mod wake;
mod worker;

use evosync_connections::config::{ConfigError, Env, Sweep};
use evosync_connections::error_chain::chain;
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::providers::{Check, PerProvider, Registry, Renew};
use evosync_connections::sealing::{TokenKeySource, TokenKeys};
use evosync_connections::secrets::SecretError;
use evosync_connections::store::sweep::{DynamoSweepStore, SweepStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use lambda_runtime::{Context, Diagnostic};
use serde_json::Value;
use tracing::Instrument as _;

use deadline::Deadline;
pub use error::SweepError;
pub use summary::Summary;
pub use wake::{PartMessage, Queue};
use wake::{SqsQueue, Wake};
use worker::Worker;

/// The function: reads and renews tokens and updates verdicts of existing rows. It cannot delete anything.
pub struct Function {
    store: Box<dyn SweepStore>,
    queue: Option<Box<dyn Queue>>,
    providers: PerProvider<Box<dyn Check>>,
    renewers: PerProvider<Box<dyn Renew>>,
    keys: Box<dyn KeySource>,
    bounds: Sweep,
    platform: Platform,
}

/// Where the sweep gets the token keys from.
pub trait KeySource: Send + Sync {
    /// The keys as they are now.
    fn reread(&self) -> BoxFuture<'_, Result<TokenKeys, SecretError>>;
}

impl KeySource for TokenKeySource {
    fn reread(&self) -> BoxFuture<'_, Result<TokenKeys, SecretError>> {
        self.reread().boxed()
    }
}

impl Function {
    /// Reads the configuration and the token keys, and opens the connection to the tables.
    pub async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let providers = env.providers()?;
        let function = Self::new(
            Box::new(DynamoSweepStore::new(platform, env)?),
            SqsQueue::of(platform, env),
            PerProvider::build(&providers, |provider| registry.check(provider, env, platform))?,
            PerProvider::build(&providers, |provider| registry.renew(provider, env, platform))?,
            Box::new(TokenKeySource::new(platform, env.token_keys_secret()?)),
            env.sweep()?,
            platform.clone(),
        );
        futures_util::join!(
            warm_up(async { function.store.run().await.map(drop) }),
            warm_up(async { function.keys.reread().await.map(drop) }),
        );
        Ok(function)
    }

    /// A function of parts of one's own.
    pub fn new(
        store: Box<dyn SweepStore>,
        queue: Option<Box<dyn Queue>>,
        providers: PerProvider<Box<dyn Check>>,
        renewers: PerProvider<Box<dyn Renew>>,
        keys: Box<dyn KeySource>,
        bounds: Sweep,
        platform: Platform,
    ) -> Self {
        Self { store, queue, providers, renewers, keys, bounds, platform }
    }

    /// Does what the event asks for and answers with what was found: by the whole run if that is finished.
    /// The end of a run writes one summary line.
    ///
    /// # Errors
    /// When the token keys or the tables cannot be read. What was recorded before that stays, and the next
    /// invocation goes on from there.
    pub async fn handle(&self, event: &Value, context: &Context) -> Result<Summary, Diagnostic> {
        let span = tracing::info_span!("sweep", correlation_id = context.request_id);
        let wake = Wake::of(event);
        let done = self.work(&wake, context);
        let done = done.inspect_err(|error| tracing::error!(error = chain(error), "sweep failed"));
        done.instrument(span).await.map_err(Diagnostic::from)
    }

    async fn work(&self, wake: &Wake, context: &Context) -> Result<Summary, SweepError> {
        let deadline = Deadline::of(context, self.platform.clock.clone());
        // Bypasses the cache: tokens sealed after a key rotation must open.
        let keys = self.keys.reread().await?;
        Worker::new(self, &keys, &deadline, context).work(wake).await
    }
}
