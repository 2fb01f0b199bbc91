//! Who did what, to a session or to which connection.

use super::METRICS;
use crate::domain::{Change, Changed, Provider, UserId};

/// The target that marks a line as an audit event.
pub(super) const TARGET: &str = "audit";

/// Records who signed in or out, as an audit event.
pub fn record_session(event: SessionEvent, user: &UserId) {
    tracing::info!(target: TARGET, event = <&str>::from(event), user = user.as_str());
}

/// Records that a worker asked for a token, and what it got: the token's version, or an error's name.
pub fn record_token(user: &UserId, provider: Provider, outcome: &str, version: Option<&str>) {
    let (user, provider) = (user.as_str(), provider.key());
    tracing::info!(target: TARGET, event = "token", outcome, user, provider, version);
    if version.is_some() {
        tracing::info!(target: METRICS, TokensIssued = 1);
    } else {
        tracing::info!(target: METRICS, TokensRefused = 1, ErrorCode = outcome);
    }
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

/// Records what happened to a connection, as an audit event and as a metric. The line is in a span with
/// the correlation id of whoever did it, so that one query finds both.
pub fn record_change(changed: &Changed) {
    let correlation_id = changed.correlation_id.as_deref().unwrap_or_default();
    tracing::info_span!("change", correlation_id).in_scope(|| {
        tracing::info!(
            target: TARGET,
            event = changed.change.audit_event(),
            id = changed.id,
            at = changed.at,
            by = changed.by.map(<&str>::from),
            user = changed.user,
            provider = changed.provider,
            account = changed.account_id,
            reason = changed.reason,
        );
    });
    match changed.change {
        Change::Connected => tracing::info!(target: METRICS, Connected = 1),
        Change::Reconnected => tracing::info!(target: METRICS, Reconnected = 1),
        Change::Disconnected => tracing::info!(target: METRICS, Disconnected = 1),
        Change::Broken => tracing::info!(target: METRICS, Broken = 1),
        Change::Recovered => tracing::info!(target: METRICS, Recovered = 1),
    }
}
