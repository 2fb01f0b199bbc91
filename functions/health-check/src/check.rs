//! One connection shown to its provider.

use std::time::Duration;

use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{Connection, Liveness, OfflineReason, Provider, Unknown};
use evosync_connections::platform::Platform;
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::{Checks, Finding, StoreError, StoredConnection};
use evosync_connections::telemetry::AuditEvent;
use evosync_connections::vk::Api;
use jiff::Timestamp;

use crate::pace::Pace;

/// How often a check that meets a passing fault is made, and the pause before the second try;
/// later pauses double. Each is drawn at random from up to its length.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Makes checks.
pub(crate) struct Checker<'a> {
    checks: &'a Checks,
    api: &'a Api,
    keys: &'a TokenKeys,
    pace: &'a Pace,
    platform: &'a Platform,
}

/// What one check found.
pub(crate) struct Checked {
    pub(crate) liveness: Liveness,
    pub(crate) finding: Result<Finding, StoreError>,
    pub(crate) was_online: bool,
    pub(crate) last_checked_at: Option<Timestamp>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        checks: &'a Checks,
        api: &'a Api,
        keys: &'a TokenKeys,
        pace: &'a Pace,
        platform: &'a Platform,
    ) -> Self {
        Self { checks, api, keys, pace, platform }
    }

    /// Checks a connection and records the verdict.
    pub(crate) async fn check(&self, stored: StoredConnection) -> Checked {
        let liveness = self.liveness(&stored).await;
        let finding = self.checks.record(&stored, liveness).await;
        match &finding {
            Ok(Finding::Recorded) => announce(&stored.connection, liveness),
            Ok(Finding::Superseded) => {}
            Err(error) => tracing::error!(%error, "verdict not recorded"),
        }
        Checked {
            liveness,
            finding,
            was_online: stored.connection.is_online,
            last_checked_at: stored.connection.last_checked_at,
        }
    }

    async fn liveness(&self, stored: &StoredConnection) -> Liveness {
        let connection = &stored.connection;
        if connection.expires_at.is_some_and(|expiry| expiry <= self.platform.clock.now()) {
            return Liveness::Dead(OfflineReason::TokenExpired);
        }
        let row = RowIdentity {
            table: self.checks.table(),
            user: &connection.user,
            provider: connection.provider,
            generation: &stored.generation,
        };
        match self.keys.open(&stored.sealed_token, row) {
            Ok(token) => self.ask(connection, &token).await,
            Err(error) => {
                tracing::error!(%error, user = connection.user.as_str(), "token cannot be opened");
                match error {
                    OpenError::Broken => Liveness::Dead(OfflineReason::Unreadable),
                    OpenError::UnknownKey => Liveness::Unknown(Unknown::OurFault),
                }
            }
        }
    }

    async fn ask(&self, connection: &Connection, token: &AccessToken) -> Liveness {
        let mut tried = 0;
        loop {
            self.pace.turn().await;
            let (liveness, vk_code) = match connection.provider {
                Provider::Vk => self.api.liveness(token, &connection.account.id).await,
            };
            tried += 1;
            match liveness {
                Liveness::Unknown(Unknown::Transient) if tried < TRIES => {
                    self.platform.clock.sleep(self.pause(tried)).await;
                }
                Liveness::Unknown(class) => {
                    tracing::warn!(class = class.code(), vk_code, tried, "check proved nothing");
                    return liveness;
                }
                Liveness::Alive | Liveness::Dead(_) => return liveness,
            }
        }
    }

    fn pause(&self, tried: u32) -> Duration {
        let [jitter] = self.platform.entropy.bytes();
        FIRST_PAUSE * 2_u32.pow(tried - 1) * u32::from(jitter) / 255
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
