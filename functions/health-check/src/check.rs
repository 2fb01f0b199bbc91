//! One connection shown to its provider. Where a dead token is decided: the provider's folder says what
//! an answer means ([`CheckAnswer`]), this file what follows from it.

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

/// How a check is retried that met a transient fault.
const TRANSIENT_POLICY: Policy = Policy { tries: 3, first_pause: Duration::from_secs(1) };

/// Makes checks.
pub(crate) struct Checker<'a> {
    pub(crate) store: &'a SweepStore,
    /// Each provider is asked at a rate of its own.
    pub(crate) providers: PerProvider<(&'a dyn Check, RateLimit)>,
    pub(crate) keys: &'a TokenKeys,
    pub(crate) platform: &'a Platform,
    pub(crate) deadline: Deadline,
    /// What tells this sweep's verdicts from another's.
    pub(crate) id: String,
    pub(crate) correlation_id: &'a str,
}

/// What became of one connection in a sweep.
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
    /// It was checked; whether the verdict is recorded is another matter.
    Made(Liveness, Result<Recorded, StoreError>),
}

/// A connection at hand, with what is needed to ask about it.
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
            tracing::error!(error = chain(error), "verdict not recorded");
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

    /// A record that does not open is dead only where it is damaged. A key or a version that this
    /// build lacks is our fault and says nothing about the token.
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

    /// Asks the provider, again with back-off where the answer is a transient fault and there is time.
    async fn ask(&self, subject: &Subject<'_>, tokens: &TokenSet) -> Option<Liveness> {
        let (last, tried) = (Mutex::new(None), AtomicU32::new(0));
        let attempt = || async {
            // Where the deadline comes before the next turn, the last answer stands.
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
        sealed.inspect_err(|error| tracing::error!(error = chain(error), "token not re-encrypted")).ok()
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
