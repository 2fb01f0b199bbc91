//! The sweep: every quarter of an hour each stored token is shown to VK, and what VK says is
//! recorded, unless the connection has changed in the meantime.

mod check;
mod pace;
mod summary;

use evosync_connections::config::{ConfigError, Env, Sweep};
use evosync_connections::platform::{Platform, note_warm_up};
use evosync_connections::sealing::TokenKeySource;
use evosync_connections::store::{Checks, Cursor, StoreError};
use evosync_connections::vk::Api;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, Diagnostic};
use tracing::Instrument as _;

use check::Checker;
use pace::Pace;
pub use summary::Summary;

/// Checks still under way when the deadline comes need this long to be recorded.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// The function: reads tokens and updates verdicts; it can create and delete nothing.
pub struct Function {
    checks: Checks,
    api: Api,
    keys: TokenKeySource,
    bounds: Sweep,
    platform: Platform,
}

impl Function {
    /// Reads the configuration and the token keys.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let function = Self {
            checks: Checks::new(platform, env)?,
            api: Api::new(env.vk_http()?, env.vk_api()?),
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            bounds: env.sweep()?,
            platform: platform.clone(),
        };
        note_warm_up(function.keys.keys().await.map(drop));
        Ok(function)
    }

    /// Sweeps once, whatever the event says, and writes one summary line.
    pub async fn handle(&self, context: &Context) -> Result<Summary, Diagnostic> {
        let span = tracing::info_span!("sweep", correlation_id = context.request_id);
        let deadline = deadline(context, self.platform.clock.now());
        self.sweep_and_report(deadline).instrument(span).await
    }

    async fn sweep_and_report(&self, deadline: Option<Timestamp>) -> Result<Summary, Diagnostic> {
        let started = self.platform.clock.now();
        let outcome = self.sweep(deadline).await;
        let duration = self.platform.clock.now().duration_since(started);
        match outcome {
            Ok(summary) => {
                summary.log(duration);
                Ok(summary)
            }
            Err(error) => {
                tracing::error!(%error, "sweep failed");
                Err(Diagnostic { error_type: "SweepFailed".to_owned(), error_message: error })
            }
        }
    }

    /// Checks page after page, a bounded number of connections at a time. Memory is bounded by a
    /// page and what is in flight.
    async fn sweep(&self, deadline: Option<Timestamp>) -> Result<Summary, String> {
        // Not the cached ones: a token sealed since a rotation must open.
        let keys = self.keys.reread().await.map_err(|error| error.to_string())?;
        let limit = Pace::new(self.platform.clock.clone(), self.bounds.max_rps);
        let checker = Checker::new(&self.checks, &self.api, &keys, &limit, &self.platform);
        let concurrency = self.bounds.concurrency.get() as usize;
        let mut summary = Summary::default();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = self.checks.page(cursor).await.map_err(|error: StoreError| error.to_string())?;
            summary.malformed += page.malformed;
            let mut checks = stream::iter(page.connections)
                .take_while(|_| std::future::ready(!self.is_over(deadline)))
                .map(|stored| checker.check(stored))
                .buffer_unordered(concurrency);
            while let Some(checked) = checks.next().await {
                summary.count(&checked);
            }
            cursor = page.next;
            if cursor.is_none() || self.is_over(deadline) {
                summary.finished = cursor.is_none() && !self.is_over(deadline);
                return Ok(summary);
            }
        }
    }

    fn is_over(&self, deadline: Option<Timestamp>) -> bool {
        deadline.is_some_and(|deadline| self.platform.clock.now() >= deadline)
    }
}

/// When to stop: a margin before Lambda would, but never more than a quarter of the time there is.
/// `None` where the caller sets no limit; some emulators say so by a time long past.
fn deadline(context: &Context, now: Timestamp) -> Option<Timestamp> {
    let end = Timestamp::from_millisecond(i64::try_from(context.deadline).ok()?).ok()?;
    let left = end.duration_since(now);
    if !left.is_positive() {
        return None;
    }
    end.checked_sub(MARGIN.min(left / 4)).ok()
}
