//! Checks one connection with its provider. The provider's folder classifies the answer
//! ([`CheckAnswer`]); this file turns it into a verdict.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evosync_connections::domain::{Liveness, OfflineReason, TokenSet, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::platform::Platform;
use evosync_connections::providers::{Check, CheckAnswer, PerProvider};
use evosync_connections::retry::{Policy, Retry, Try};
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::{Recorded, StoreError, StoredConnection, SweepStore, Verdict};
use jiff::Timestamp;

use crate::deadline::Deadline;
use crate::rate_limit::RateLimit;

/// The back-off after a transient fault.
const TRANSIENT_POLICY: Policy = Policy { tries: 3, first_pause: Duration::from_secs(1) };

/// Checks the connections of one sweep.
pub(crate) struct Checker<'a> {
    pub(crate) store: &'a SweepStore,
    /// Each provider has its own rate limit.
    pub(crate) providers: PerProvider<(&'a dyn Check, RateLimit)>,
    pub(crate) keys: &'a TokenKeys,
    pub(crate) platform: &'a Platform,
    pub(crate) deadline: Deadline,
    /// Distinguishes this sweep's verdicts from those of another sweep.
    pub(crate) id: String,
    pub(crate) correlation_id: &'a str,
}

/// The result for one connection.
pub(crate) struct Checked {
    pub(crate) outcome: Outcome,
    pub(crate) was_online: bool,
    pub(crate) resealed: bool,
    pub(crate) last_checked_at: Option<Timestamp>,
}

pub(crate) enum Outcome {
    /// The deadline came first.
    NotReached,
    /// Its provider is not configured.
    NotCheckable,
    /// It was checked; recording the verdict may have failed.
    Made(Liveness, Result<Recorded, StoreError>),
}

/// A connection to check, with its provider's check and rate limit.
struct Subject<'a> {
    stored: &'a StoredConnection,
    check: &'a dyn Check,
    limit: &'a RateLimit,
}

impl Checker<'_> {
    /// Checks a connection and records the verdict.
    pub(crate) async fn check(&self, stored: StoredConnection) -> Checked {
        let mut resealed = false;
        let outcome = match self.providers.get(stored.connection.provider) {
            None => Outcome::NotCheckable,
            Some((check, limit)) => {
                match self.verdict(&Subject { stored: &stored, check: *check, limit }).await {
                    None => Outcome::NotReached,
                    Some(verdict) => {
                        resealed = verdict.resealed.is_some();
                        Outcome::Made(verdict.liveness, self.record(&stored, verdict).await)
                    }
                }
            }
        };
        Checked {
            outcome,
            was_online: stored.connection.is_online,
            resealed,
            last_checked_at: stored.connection.last_checked_at,
        }
    }

    async fn record(&self, stored: &StoredConnection, verdict: Verdict<'_>) -> Result<Recorded, StoreError> {
        let recorded = self.store.record(stored, verdict).await;
        if let Err(error) = &recorded {
            tracing::error!(error = chain(error), "cannot record the verdict");
        }
        recorded
    }

    /// The verdict on a connection, `None` where the deadline came before an answer.
    async fn verdict(&self, subject: &Subject<'_>) -> Option<Verdict<'_>> {
        if self.deadline.has_passed() {
            return None;
        }
        let stored = subject.stored;
        let row = RowIdentity {
            table: self.store.table(),
            user: &stored.connection.user,
            provider: stored.connection.provider,
            generation: &stored.generation,
        };
        let tokens = match self.keys.open(&stored.sealed_tokens, row) {
            Ok(tokens) => tokens,
            Err(error) => return Some(self.cannot_open(stored, error)),
        };
        let liveness = self.liveness(subject, &tokens).await?;
        Some(self.verdict_of(liveness, self.reseal(stored, &tokens, row)))
    }

    /// A sealed token that does not open is dead only if it is damaged. A key or version that this build
    /// lacks is our fault and proves nothing about the token.
    fn cannot_open(&self, stored: &StoredConnection, error: OpenError) -> Verdict<'_> {
        let user = stored.connection.user.as_str();
        tracing::error!(error = chain(&error), user, "token cannot be opened");
        let liveness = match error {
            OpenError::Broken => Liveness::Dead(OfflineReason::Unreadable),
            OpenError::UnknownKey | OpenError::UnknownVersion => Liveness::Unknown(Unknown::OurFault),
        };
        self.verdict_of(liveness, None)
    }

    fn verdict_of(&self, liveness: Liveness, resealed: Option<Vec<u8>>) -> Verdict<'_> {
        Verdict { sweep: &self.id, correlation_id: self.correlation_id, liveness, resealed }
    }

    async fn liveness(&self, subject: &Subject<'_>, tokens: &TokenSet) -> Option<Liveness> {
        if subject.stored.connection.has_lapsed(self.platform.clock.now()) {
            return Some(Liveness::Dead(OfflineReason::TokenExpired));
        }
        self.ask(subject, tokens).await
    }

    /// Asks the provider. Retries transient faults with back-off while there is time.
    async fn ask(&self, subject: &Subject<'_>, tokens: &TokenSet) -> Option<Liveness> {
        let (last, tried) = (Mutex::new(None), AtomicU32::new(0));
        let attempt = || async {
            // If the deadline comes before the next turn, the last answer counts.
            if !subject.limit.turn(&self.deadline).await {
                return Try::Settled(());
            }
            let account_id = subject.stored.connection.account.id.clone();
            let answer = subject.check.check(tokens.clone(), account_id).await;
            note(&answer, tried.fetch_add(1, Ordering::Relaxed) + 1);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.liveness);
            match answer.liveness {
                Liveness::Unknown(Unknown::Transient) => Try::Transient(()),
                _ => Try::Settled(()),
            }
        };
        Retry::new(self.platform, TRANSIENT_POLICY).run(attempt).await;
        last.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tokens re-encrypted with the current key, where another key sealed them.
    fn reseal(&self, stored: &StoredConnection, tokens: &TokenSet, row: RowIdentity<'_>) -> Option<Vec<u8>> {
        if !self.keys.is_outdated(&stored.sealed_tokens) {
            return None;
        }
        let sealed = self.keys.seal(tokens, row, self.platform.entropy.bytes());
        sealed.inspect_err(|error| tracing::error!(error = chain(error), "cannot re-encrypt the token")).ok()
    }
}

fn note(answer: &CheckAnswer, tried: u32) {
    if let Liveness::Unknown(class) = answer.liveness {
        let cause = answer.cause.as_ref().map(|cause| chain(cause));
        tracing::warn!(
            class = class.code(),
            provider_code = answer.code,
            cause,
            tried,
            "check proved nothing"
        );
    }
}
