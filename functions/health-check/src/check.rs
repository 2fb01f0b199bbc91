//! One connection shown to its provider.

use std::time::Duration;

use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{Connection, Liveness, OfflineReason, Provider, Unknown};
use evosync_connections::platform::Platform;
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::{Checks, Finding, StoreError, StoredConnection, Verdict};
use evosync_connections::telemetry::AuditEvent;
use evosync_connections::vk::Api;
use jiff::Timestamp;

use crate::deadline::Deadline;
use crate::pace::Pace;

/// How often a check that meets a passing fault is made, and the longest pause before the second
/// try; it doubles for the third.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Makes checks.
pub(crate) struct Checker<'a> {
    pub(crate) checks: &'a Checks,
    pub(crate) api: &'a Api,
    pub(crate) keys: &'a TokenKeys,
    pub(crate) platform: &'a Platform,
    pub(crate) pace: Pace,
    pub(crate) deadline: Deadline,
    /// What tells this sweep's verdicts from another's.
    pub(crate) id: String,
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
    /// It was checked; whether the verdict is recorded is another matter.
    Made(Liveness, Result<Finding, StoreError>),
}

impl Checker<'_> {
    /// Checks a connection and records the verdict.
    pub(crate) async fn check(&self, stored: StoredConnection) -> Checked {
        let verdict = self.verdict(&stored).await;
        let resealed = verdict.as_ref().is_some_and(|verdict| verdict.resealed.is_some());
        let outcome = match verdict {
            None => Outcome::NotReached,
            Some(verdict) => Outcome::Made(verdict.liveness, self.record(&stored, verdict).await),
        };
        Checked {
            outcome,
            was_online: stored.connection.is_online,
            resealed,
            last_checked_at: stored.connection.last_checked_at,
        }
    }

    async fn record(&self, stored: &StoredConnection, verdict: Verdict<'_>) -> Result<Finding, StoreError> {
        let liveness = verdict.liveness;
        let finding = self.checks.record(stored, verdict).await;
        match &finding {
            Ok(Finding::Recorded) => announce(&stored.connection, liveness),
            Ok(Finding::Superseded) => {}
            Err(error) => tracing::error!(%error, "verdict not recorded"),
        }
        finding
    }

    /// The verdict on a connection, `None` where the deadline came before an answer.
    async fn verdict(&self, stored: &StoredConnection) -> Option<Verdict<'_>> {
        if self.deadline.has_passed() {
            return None;
        }
        let connection = &stored.connection;
        let row = RowIdentity {
            table: self.checks.table(),
            user: &connection.user,
            provider: connection.provider,
            generation: &stored.generation,
        };
        let token = match self.keys.open(&stored.sealed_token, row) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(%error, user = connection.user.as_str(), "token cannot be opened");
                let liveness = match error {
                    OpenError::Broken => Liveness::Dead(OfflineReason::Unreadable),
                    OpenError::UnknownKey => Liveness::Unknown(Unknown::OurFault),
                };
                return Some(Verdict { sweep: &self.id, liveness, resealed: None });
            }
        };
        let liveness = self.liveness(connection, &token).await?;
        Some(Verdict { sweep: &self.id, liveness, resealed: self.reseal(stored, &token, row) })
    }

    async fn liveness(&self, connection: &Connection, token: &AccessToken) -> Option<Liveness> {
        if connection.expires_at.is_some_and(|expiry| expiry <= self.platform.clock.now()) {
            return Some(Liveness::Dead(OfflineReason::TokenExpired));
        }
        self.ask(connection, token).await
    }

    /// Asks the provider, again where the answer is a passing fault and there is time.
    async fn ask(&self, connection: &Connection, token: &AccessToken) -> Option<Liveness> {
        let mut last = None;
        let mut longest_pause = FIRST_PAUSE;
        for tried in 1..=TRIES {
            if !self.pace.turn(&self.deadline).await {
                break;
            }
            let (liveness, vk_code) = match connection.provider {
                Provider::Vk => self.api.liveness(token, &connection.account.id).await,
            };
            last = Some(liveness);
            if let Liveness::Unknown(class) = liveness {
                tracing::warn!(class = class.code(), vk_code, tried, "check proved nothing");
            }
            if liveness != Liveness::Unknown(Unknown::Transient) || tried == TRIES {
                break;
            }
            self.platform.clock.sleep(self.platform.entropy.jitter(longest_pause)).await;
            longest_pause *= 2;
        }
        last
    }

    /// The token under the current key, where the row's seal is of another.
    fn reseal(
        &self,
        stored: &StoredConnection,
        token: &AccessToken,
        row: RowIdentity<'_>,
    ) -> Option<Vec<u8>> {
        if !self.keys.is_outdated(&stored.sealed_token) {
            return None;
        }
        let sealed = self.keys.seal(token, row, self.platform.entropy.bytes());
        sealed.inspect_err(|error| tracing::error!(%error, "token not sealed anew")).ok()
    }
}

fn announce(connection: &Connection, liveness: Liveness) {
    let event = match (connection.is_online, liveness) {
        (true, Liveness::Dead(_)) => AuditEvent::Broken,
        (false, Liveness::Alive) => AuditEvent::Recovered,
        _ => return,
    };
    event.record(&connection.user, connection.provider, Some(&connection.account));
}
