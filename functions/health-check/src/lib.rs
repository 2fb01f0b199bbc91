//! The sweep: every quarter of an hour it asks each provider whether the stored tokens still work. It
//! records the verdict, unless the connection has changed in the meantime.

mod check;
mod deadline;
mod error;
mod rate_limit;
mod summary;

use std::sync::{Mutex, MutexGuard, PoisonError};

use evosync_connections::config::{ConfigError, Env, Sweep};
use evosync_connections::error_chain::chain;
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::providers::{Check, PerProvider, Registry};
use evosync_connections::sealing::{TokenKeySource, TokenKeys};
use evosync_connections::store::{Cursor, SweepStore};
use futures_util::{StreamExt as _, stream};
use lambda_runtime::{Context, Diagnostic};
use tracing::Instrument as _;

use check::Checker;
use deadline::Deadline;
pub use error::SweepError;
use rate_limit::RateLimit;
pub use summary::Summary;

/// The function: reads tokens and updates verdicts of existing rows. It cannot delete anything.
pub struct Function {
    store: SweepStore,
    providers: PerProvider<Box<dyn Check>>,
    keys: TokenKeySource,
    bounds: Sweep,
    platform: Platform,
    /// The page that the last sweep did not finish, where the next one begins.
    resume_at: Mutex<Option<Cursor>>,
}

impl Function {
    /// Reads the configuration and the token keys, and opens the connection to the table.
    pub async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let function = Self {
            store: SweepStore::new(platform, env)?,
            providers: PerProvider::build(|provider| registry.check(provider, env, platform))?,
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            bounds: env.sweep()?,
            platform: platform.clone(),
            resume_at: Mutex::new(None),
        };
        futures_util::join!(
            warm_up(Box::pin(function.store.warm_up())),
            warm_up(async { function.keys.keys().await.map(drop) }),
        );
        Ok(function)
    }

    /// Sweeps once and writes one summary line, also when the sweep ends early. The event's content does
    /// not matter.
    ///
    /// # Errors
    /// When the token keys or the table cannot be read. Verdicts recorded before that stay.
    pub async fn handle(&self, context: &Context) -> Result<Summary, Diagnostic> {
        let span = tracing::info_span!("sweep", correlation_id = context.request_id);
        let deadline = Deadline::of(context, self.platform.clock.clone());
        self.sweep_and_report(deadline, &context.request_id).instrument(span).await.map_err(Diagnostic::from)
    }

    async fn sweep_and_report(
        &self,
        deadline: Deadline,
        correlation_id: &str,
    ) -> Result<Summary, SweepError> {
        let started = self.platform.clock.now();
        let mut summary = Summary::default();
        let outcome = self.sweep(deadline, correlation_id, &mut summary).await;
        let ended = self.platform.clock.now();
        summary.report(ended.duration_since(started), ended);
        outcome.inspect_err(|error| tracing::error!(error = chain(error), "sweep failed"))?;
        Ok(summary)
    }

    /// Checks page after page, at most `SWEEP_CONCURRENCY` connections at a time. Memory is bounded by one
    /// page and the checks in flight.
    async fn sweep(
        &self,
        deadline: Deadline,
        correlation_id: &str,
        summary: &mut Summary,
    ) -> Result<(), SweepError> {
        // Bypasses the cache: tokens sealed after a key rotation must open.
        let keys = self.keys.reread().await?;
        let checker = self.checker(&keys, deadline, correlation_id);
        let concurrency = self.bounds.concurrency.get() as usize;
        let mut cursor = self.resume_at().clone();
        loop {
            self.resume_at().clone_from(&cursor);
            let page = self.store.scan(cursor.clone()).await?;
            summary.malformed += page.malformed;
            summary.damaged += page.damaged;
            let mut checks = stream::iter(page.connections)
                .map(|stored| checker.check(stored))
                .buffer_unordered(concurrency);
            while let Some(checked) = checks.next().await {
                summary.count(&checked);
            }
            if summary.unreached > 0 {
                return Ok(());
            }
            cursor = page.next;
            if cursor.is_none() {
                *self.resume_at() = None;
                summary.finished = true;
                return Ok(());
            }
        }
    }

    fn resume_at(&self) -> MutexGuard<'_, Option<Cursor>> {
        self.resume_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checker<'a>(
        &'a self,
        keys: &'a TokenKeys,
        deadline: Deadline,
        correlation_id: &'a str,
    ) -> Checker<'a> {
        let limit = || RateLimit::new(self.platform.clock.clone(), self.bounds.max_rps);
        Checker {
            store: &self.store,
            providers: self.providers.map(|check| (check.as_ref(), limit())),
            keys,
            platform: &self.platform,
            deadline,
            correlation_id,
            id: format!("{:016x}", u64::from_be_bytes(self.platform.entropy.bytes())),
        }
    }
}
