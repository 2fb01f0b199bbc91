//! Checks one connection with its provider. The provider's folder says what an answer means for the token
//! (for VK, `verdict.rs`); this file adds what the row itself says, and makes an update of the row.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evosync_connections::domain::{
    Account, Actor, Liveness, OfflineReason, Provider, Scopes, TokenSet, Unknown,
};
use evosync_connections::error_chain::chain;
use evosync_connections::platform::Platform;
use evosync_connections::providers::{Check, CheckAnswer, PerProvider, Subject};
use evosync_connections::retry::{Policy, Retry, Try};
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::sweep::{
    Attempt, RowKey, RowUpdate, RowVerdict, Run, StoredConnection, SweepStore,
};
use jiff::SignedDuration;

use crate::deadline::Deadline;
use crate::rate_limit::RateLimit;
use crate::renew::Renewing;

/// The back-off after a transient fault.
const TRANSIENT_POLICY: Policy = Policy { tries: 3, first_pause: Duration::from_secs(1) };

/// How often a provider is asked what is granted.
const SCOPES_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The result of a first final answer about a green connection: it is to be asked again.
pub(crate) const SUSPECTED: &str = "suspected";

/// The result of a verdict that a mass failure holds back.
pub(crate) const HELD: &str = "held";

/// Checks connections in one invocation.
pub(crate) struct Checker<'a> {
    pub(crate) store: &'a dyn SweepStore,
    pub(crate) providers: PerProvider<Asked<'a>>,
    pub(crate) keys: &'a TokenKeys,
    pub(crate) platform: &'a Platform,
    pub(crate) deadline: &'a Deadline,
    /// The id of this worker's attempts.
    pub(crate) attempt: String,
    pub(crate) correlation_id: &'a str,
}

/// A provider, as it is asked in one invocation.
pub(crate) struct Asked<'a> {
    pub(crate) provider: Provider,
    pub(crate) check: &'a dyn Check,
    /// `None` for a provider that has nothing to renew.
    pub(crate) renewing: Option<Renewing<'a>>,
    /// Each provider has its own.
    pub(crate) limit: RateLimit,
}

/// The result of one check.
pub(crate) enum Checked {
    /// There is an answer.
    Answered(Verdict),
    /// The deadline came first, or its provider was given up.
    NotReached,
    /// Its provider is not configured.
    NotCheckable,
    /// Its tokens are to be renewed, and the day's budget is spent.
    Postponed {
        /// Whether the provider wants another address.
        was_elsewhere: bool,
    },
    /// Its tokens are to be renewed, and the provider does not renew any now.
    GivenUp {
        /// Whether the provider wants another address.
        was_elsewhere: bool,
    },
    /// It was reconnected, removed or renewed in the meantime.
    Superseded,
}

/// What an answer says.
pub(crate) struct Verdict {
    pub(crate) liveness: Liveness,
    /// What is granted, where that was asked.
    pub(crate) scopes: Option<Scopes>,
    /// The account as the provider names it now, where it said so.
    pub(crate) account: Option<Account>,
    /// What became of the renewal, where one was asked for and answered.
    pub(crate) renewal: Option<Renewed>,
    /// Whether the provider wanted another address before the renewal.
    pub(crate) was_elsewhere: bool,
}

impl Verdict {
    fn of(liveness: Liveness) -> Self {
        Self { liveness, scopes: None, account: None, renewal: None, was_elsewhere: false }
    }
}

/// The answer to a renewal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    Yes,
    Refused,
}

impl Checked {
    pub(crate) fn answered(liveness: Liveness) -> Self {
        Self::Answered(Verdict::of(liveness))
    }

    /// The same, where the provider wanted another address before.
    fn after_another_address(self) -> Self {
        match self {
            Self::Answered(verdict) => Self::Answered(Verdict { was_elsewhere: true, ..verdict }),
            Self::Postponed { .. } => Self::Postponed { was_elsewhere: true },
            Self::GivenUp { .. } => Self::GivenUp { was_elsewhere: true },
            other => other,
        }
    }

    /// The same, after a renewal.
    pub(crate) fn after(self, renewal: Renewed) -> Self {
        match self {
            Self::Answered(verdict) => Self::Answered(Verdict { renewal: Some(renewal), ..verdict }),
            other => other,
        }
    }
}

impl Checker<'_> {
    /// Asks the providers no more that any worker of the run has given up.
    pub(crate) fn learn_what_is_given_up(&self, run: &Run) {
        for (provider, asked) in self.providers.iter() {
            if run.given_up.contains(provider.key()) {
                asked.limit.give_up();
            }
        }
    }

    /// Whether the provider's tokens are renewed.
    pub(crate) fn renews(&self, stored: &StoredConnection) -> bool {
        self.providers.get(stored.connection.provider).is_some_and(|asked| asked.renewing.is_some())
    }

    /// Whether the provider is asked no more in this run.
    pub(crate) fn has_given_up(&self, stored: &StoredConnection) -> bool {
        self.providers.get(stored.connection.provider).is_some_and(|asked| asked.limit.has_given_up())
    }

    /// Checks a connection. Tokens whose time has run out are renewed first, and so are those that the
    /// provider refuses for what a renewal may mend; the connection is updated to what its row holds then.
    ///
    /// Not to be dropped: see [`Renewer::renew`](evosync_connections::renewal::Renewer::renew).
    pub(crate) async fn check(&self, stored: &mut StoredConnection) -> Checked {
        let Some(asked) = self.providers.get(stored.connection.provider) else {
            return Checked::NotCheckable;
        };
        if self.deadline.has_passed() {
            return Checked::NotReached;
        }
        let tokens = match self.keys.open(&stored.sealed_tokens, self.row(stored)) {
            Ok(tokens) => tokens,
            Err(error) => return Checked::answered(cannot_open(stored, error)),
        };
        let now = self.platform.clock.now();
        if stored.connection.has_lapsed(now) {
            return Checked::answered(Liveness::Dead(OfflineReason::TokenExpired));
        }
        let Some(renewing) = asked.renewing.as_ref().filter(|_| tokens.refresh.is_some()) else {
            return self.ask(stored, &tokens, asked).await;
        };
        if stored.connection.expiry.is_some_and(|expiry| expiry.at <= now) {
            return match renewing.renew(self, stored, tokens, true).await {
                Ok(tokens) => self.ask(stored, &tokens, asked).await.after(Renewed::Yes),
                Err(checked) => checked,
            };
        }
        let answer = self.ask(stored, &tokens, asked).await;
        let Checked::Answered(Verdict { liveness, .. }) = &answer else { return answer };
        let is_elsewhere = match *liveness {
            Liveness::Dead(OfflineReason::TokenRejected) => false,
            Liveness::Unknown(Unknown::AnotherAddress) => true,
            _ => return answer,
        };
        let checked = match renewing.renew(self, stored, tokens, !is_elsewhere).await {
            Ok(tokens) => self.ask(stored, &tokens, asked).await.after(Renewed::Yes),
            // The access token works, though not from here, so that nothing else is a verdict on it.
            Err(Checked::Answered(_)) if is_elsewhere => return answer,
            Err(checked) => checked,
        };
        if is_elsewhere { checked.after_another_address() } else { checked }
    }

    /// Asks the provider whether tokens live and, once a day, what they are granted.
    async fn ask(&self, stored: &StoredConnection, tokens: &TokenSet, asked: &Asked<'_>) -> Checked {
        let subject = Subject {
            tokens: tokens.clone(),
            account_id: stored.connection.account.id.clone(),
            scopes: stored.connection.scopes.clone(),
        };
        let Some((liveness, account)) = self.ask_with_retries(asked, subject).await else {
            return Checked::NotReached;
        };
        let now = self.platform.clock.now();
        let is_due = stored.scopes_checked_at.is_none_or(|at| now.duration_since(at) >= SCOPES_EVERY);
        if liveness == Liveness::Alive
            && is_due
            && let Some(Verdict { liveness, scopes, .. }) = self.ask_scopes(asked, tokens).await
        {
            return Checked::Answered(Verdict { scopes, account, ..Verdict::of(liveness) });
        }
        Checked::Answered(Verdict { account, ..Verdict::of(liveness) })
    }

    /// Retries transient faults with back-off while there is time.
    async fn ask_with_retries(
        &self,
        asked: &Asked<'_>,
        subject: Subject,
    ) -> Option<(Liveness, Option<Account>)> {
        let (last, tried) = (Mutex::new(None), AtomicU32::new(0));
        let attempt = || async {
            // If there is no further turn, the last answer counts.
            let Some(turn) = asked.limit.turn(self.deadline).await else { return Try::Settled(()) };
            let answer = asked.check.check(subject.clone()).await;
            asked.limit.settle(&turn, &answer);
            note(asked.provider, &answer, tried.fetch_add(1, Ordering::Relaxed) + 1);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((answer.liveness, answer.account));
            match answer.liveness {
                Liveness::Unknown(Unknown::Transient) => Try::Transient(()),
                _ => Try::Settled(()),
            }
        };
        Retry::new(self.platform, TRANSIENT_POLICY).run(attempt).await;
        last.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where the provider does not say, or not now: it is asked again in the next sweep.
    async fn ask_scopes(&self, asked: &Asked<'_>, tokens: &TokenSet) -> Option<Verdict> {
        let turn = asked.limit.turn(self.deadline).await?;
        let Some(answer) = asked.check.check_scopes(tokens.clone()).await else {
            asked.limit.abandon(&turn);
            return None;
        };
        asked.limit.settle(&turn, &answer);
        match answer.liveness {
            Liveness::Unknown(_) => None,
            liveness => Some(Verdict { scopes: answer.scopes, ..Verdict::of(liveness) }),
        }
    }

    /// The update for a verdict. An answer that proves nothing keeps the state and is noted.
    pub(crate) fn verdict(&self, stored: &StoredConnection, verdict: &Verdict) -> RowUpdate {
        let offline = match verdict.liveness {
            Liveness::Alive => Some(None),
            Liveness::Dead(reason) => Some(Some(reason)),
            Liveness::Unknown(_) => None,
        };
        let conclusion = offline.map(|offline| {
            let changes = stored.connection.is_online == offline.is_some();
            let changed_in = changes.then(|| self.correlation_id.to_owned());
            RowVerdict { offline, changed_in, actor: Actor::Sweep }
        });
        let mut update = self.attempt(stored, verdict.liveness.code(), conclusion);
        if let Some(attempt) = &mut update.attempt {
            attempt.scopes.clone_from(&verdict.scopes);
            let known = &stored.connection.account;
            attempt.account = verdict.account.as_ref().filter(|account| account.renames(known)).cloned();
        }
        update
    }

    /// The update for an attempt that keeps the state.
    pub(crate) fn attempt(
        &self,
        stored: &StoredConnection,
        result: &'static str,
        verdict: Option<RowVerdict>,
    ) -> RowUpdate {
        let (id, at) = (self.attempt.clone(), self.platform.clock.now());
        update(
            stored,
            Some(Attempt { id, at, result, verdict, scopes: None, account: None }),
            self.reseal(stored),
        )
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
            table: self.store.table(),
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
    let (user, provider) = (stored.connection.user.as_str(), stored.connection.provider.key());
    tracing::error!(error = chain(&error), user, provider, "token cannot be opened");
    match error {
        OpenError::Broken => Liveness::Dead(OfflineReason::Unreadable),
        OpenError::UnknownKey | OpenError::UnknownVersion => Liveness::Unknown(Unknown::OurFault),
    }
}

fn note(provider: Provider, answer: &CheckAnswer, tried: u32) {
    if let Liveness::Unknown(class) = answer.liveness {
        let cause = answer.cause.as_ref().map(|cause| chain(cause));
        tracing::warn!(
            provider = provider.key(),
            class = class.code(),
            provider_code = answer.code,
            cause,
            tried,
            "check proved nothing"
        );
    }
}
