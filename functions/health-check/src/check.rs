//! Checks one connection with its provider. The provider's folder says what an answer means for the token
//! (for VK, `verdict.rs`); this file adds what the row itself says, and makes an update of the row.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evosync_connections::domain::{Liveness, OfflineReason, TokenSet, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::platform::Platform;
use evosync_connections::providers::{Check, CheckAnswer, PerProvider, Subject};
use evosync_connections::retry::{Policy, Retry, Try};
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::sweep::{Attempt, RowKey, RowUpdate, RowVerdict, Run, StoredConnection};

use crate::deadline::Deadline;
use crate::rate_limit::RateLimit;

/// The back-off after a transient fault.
const TRANSIENT_POLICY: Policy = Policy { tries: 3, first_pause: Duration::from_secs(1) };

/// The result of a first final answer about a green connection: it is to be asked again.
pub(crate) const SUSPECTED: &str = "suspected";

/// The result of a verdict that a mass failure holds back.
pub(crate) const HELD: &str = "held";

/// Checks connections in one invocation.
pub(crate) struct Checker<'a> {
    pub(crate) table: &'a str,
    /// Each provider has its own rate limit.
    pub(crate) providers: PerProvider<(&'a dyn Check, RateLimit)>,
    pub(crate) keys: &'a TokenKeys,
    pub(crate) platform: &'a Platform,
    pub(crate) deadline: &'a Deadline,
    /// The id of this worker's attempts.
    pub(crate) attempt: String,
    pub(crate) correlation_id: &'a str,
}

/// The result of one check.
pub(crate) enum Checked {
    /// There is an answer.
    Answered(Liveness),
    /// The deadline came first, or its provider was given up.
    NotReached,
    /// Its provider is not configured.
    NotCheckable,
}

impl Checker<'_> {
    /// Asks the providers no more that any worker of the run has given up.
    pub(crate) fn learn_what_is_given_up(&self, run: &Run) {
        for (provider, (_, limit)) in self.providers.iter() {
            if run.given_up.contains(provider.key()) {
                limit.give_up();
            }
        }
    }

    /// Whether the provider is asked no more in this run.
    pub(crate) fn has_given_up(&self, stored: &StoredConnection) -> bool {
        self.providers.get(stored.connection.provider).is_some_and(|(_, limit)| limit.has_given_up())
    }

    /// Checks a connection.
    pub(crate) async fn check(&self, stored: &StoredConnection) -> Checked {
        let Some((check, limit)) = self.providers.get(stored.connection.provider) else {
            return Checked::NotCheckable;
        };
        if self.deadline.has_passed() {
            return Checked::NotReached;
        }
        let tokens = match self.keys.open(&stored.sealed_tokens, self.row(stored)) {
            Ok(tokens) => tokens,
            Err(error) => return Checked::Answered(cannot_open(stored, error)),
        };
        if stored.connection.has_lapsed(self.platform.clock.now()) {
            return Checked::Answered(Liveness::Dead(OfflineReason::TokenExpired));
        }
        self.ask(stored, &tokens, *check, limit).await.map_or(Checked::NotReached, Checked::Answered)
    }

    /// Asks the provider. Retries transient faults with back-off while there is time.
    async fn ask(
        &self,
        stored: &StoredConnection,
        tokens: &TokenSet,
        check: &dyn Check,
        limit: &RateLimit,
    ) -> Option<Liveness> {
        let subject = Subject {
            tokens: tokens.clone(),
            account_id: stored.connection.account.id.clone(),
            scopes: None,
        };
        let (last, tried) = (Mutex::new(None), AtomicU32::new(0));
        let attempt = || async {
            // If there is no further turn, the last answer counts.
            let Some(turn) = limit.turn(self.deadline).await else { return Try::Settled(()) };
            let answer = check.check(subject.clone()).await;
            limit.settle(&turn, &answer);
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

    /// The update for a verdict. An answer that proves nothing keeps the state and is noted.
    pub(crate) fn verdict(&self, stored: &StoredConnection, liveness: Liveness) -> RowUpdate {
        let offline = match liveness {
            Liveness::Alive => Some(None),
            Liveness::Dead(reason) => Some(Some(reason)),
            Liveness::Unknown(_) => None,
        };
        let verdict = offline.map(|offline| {
            let changes = stored.connection.is_online == offline.is_some();
            RowVerdict { offline, changed_in: changes.then(|| self.correlation_id.to_owned()) }
        });
        self.attempt(stored, liveness.code(), verdict)
    }

    /// The update for an attempt that keeps the state.
    pub(crate) fn attempt(
        &self,
        stored: &StoredConnection,
        result: &'static str,
        verdict: Option<RowVerdict>,
    ) -> RowUpdate {
        let (id, at) = (self.attempt.clone(), self.platform.clock.now());
        update(stored, Some(Attempt { id, at, result, verdict }), self.reseal(stored))
    }

    /// The update that only re-encrypts a token of an old key; `None` where there is nothing to do.
    pub(crate) fn re_encryption(&self, stored: &StoredConnection) -> Option<RowUpdate> {
        let resealed = self.reseal(stored)?;
        Some(update(stored, None, Some(resealed)))
    }

    /// The tokens re-encrypted with the current key, where another key sealed them.
    fn reseal(&self, stored: &StoredConnection) -> Option<Vec<u8>> {
        if !self.keys.is_outdated(&stored.sealed_tokens) {
            return None;
        }
        let tokens = self.keys.open(&stored.sealed_tokens, self.row(stored)).ok()?;
        let sealed = self.keys.seal(&tokens, self.row(stored), self.platform.entropy.bytes());
        sealed.inspect_err(|error| tracing::error!(error = chain(error), "cannot re-encrypt the token")).ok()
    }

    fn row<'s>(&'s self, stored: &'s StoredConnection) -> RowIdentity<'s> {
        RowIdentity {
            table: self.table,
            user: &stored.connection.user,
            provider: stored.connection.provider,
            generation: &stored.generation,
        }
    }
}

fn update(stored: &StoredConnection, attempt: Option<Attempt>, resealed: Option<Vec<u8>>) -> RowUpdate {
    RowUpdate {
        key: RowKey::of(&stored.connection),
        generation: stored.generation.clone(),
        seen_attempt: stored.last_attempt_by.clone(),
        attempt,
        resealed,
    }
}

/// A sealed token that does not open is dead only if it is damaged. A key or version that this build
/// lacks is our fault and proves nothing about the token.
fn cannot_open(stored: &StoredConnection, error: OpenError) -> Liveness {
    let user = stored.connection.user.as_str();
    tracing::error!(error = chain(&error), user, "token cannot be opened");
    match error {
        OpenError::Broken => Liveness::Dead(OfflineReason::Unreadable),
        OpenError::UnknownKey | OpenError::UnknownVersion => Liveness::Unknown(Unknown::OurFault),
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
