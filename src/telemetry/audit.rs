//! Who did what to which connection.

use crate::domain::{Account, Provider, UserId};

/// The target that marks a line as an audit event.
pub(super) const TARGET: &str = "audit";

/// Records who signed in or out, as an audit event.
pub fn record_session(event: SessionEvent, user: &UserId) {
    tracing::info!(target: TARGET, event = <&str>::from(event), user = user.as_str());
}

/// What happened to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SessionEvent {
    /// A person proved who they are.
    SignedIn,
    /// A person ended the session. One that runs out leaves no event.
    SignedOut,
}

/// What happened to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AuditEvent {
    /// An account was connected where none was.
    Connected,
    /// A connection's account and token were replaced.
    Reconnected,
    /// The person disconnected the account.
    Disconnected,
    /// The sweep found that the token no longer works.
    Broken,
    /// The sweep found that a broken token works again.
    Recovered,
}

impl AuditEvent {
    /// Writes the event's line: what, whose, which account. Time and correlation id come with the
    /// line and its span. What a person did is counted, too; the sweep counts for itself.
    pub fn record(self, user: &UserId, provider: Provider, account: Option<&Account>) {
        let account = account.map(|account| account.id.as_str());
        tracing::info!(target: TARGET, event = <&str>::from(self), user = user.as_str(), provider = provider.key(), account);
        match self {
            Self::Connected => tracing::info!(target: super::METRICS, Connected = 1),
            Self::Reconnected => tracing::info!(target: super::METRICS, Reconnected = 1),
            Self::Disconnected => tracing::info!(target: super::METRICS, Disconnected = 1),
            Self::Broken | Self::Recovered => {}
        }
    }
}
