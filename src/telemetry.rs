//! Logs: one JSON object a line, and audit events of their own kind.
//!
//! What never goes into a line: secrets, tokens, codes, states, cookies, bodies and query strings.

use tracing_subscriber::filter::LevelFilter;

use crate::config::Env;
use crate::domain::{Account, Provider, UserId};

/// Starts logging to standard output. The level is that of `AWS_LAMBDA_LOG_LEVEL` or `RUST_LOG`,
/// but never below `INFO`: libraries log requests and bodies there.
///
/// A panic is logged by its place alone, since its message may hold anything.
pub fn init(env: &Env) {
    let level = env.log_level().unwrap_or(LevelFilter::INFO).min(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(level)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// What happened to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    fn code(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reconnected => "reconnected",
            Self::Disconnected => "disconnected",
            Self::Broken => "broken",
            Self::Recovered => "recovered",
        }
    }

    /// Writes the event's line: what, whose, which account. Time and correlation id come with the
    /// line and its span.
    pub fn record(self, user: &UserId, provider: Provider, account: Option<&Account>) {
        let account = account.map(|account| account.id.as_str());
        tracing::info!(target: "audit", event = self.code(), user = user.as_str(), provider = provider.key(), account);
    }
}
