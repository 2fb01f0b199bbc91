//! What an operator can see: log lines, audit events and metrics, each a JSON object a line.
//!
//! What never goes into a line: secrets, tokens, codes, states, cookies, bodies and query strings.

mod audit;
mod metrics;

pub use audit::{SessionEvent, record_change, record_session, record_token};
pub use metrics::{METRICS, count_failure, count_sign_in_failure};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{ConfigError, Env};
use crate::error_chain::chain;
use metrics::EmbeddedMetrics;

/// Starts logging to standard output. The level is that of `AWS_LAMBDA_LOG_LEVEL` or `RUST_LOG`,
/// but never below `INFO`: libraries log requests and bodies there. Audit events and metrics are
/// written at every level.
///
/// A panic is logged by its location only, since its message may hold anything.
pub fn init(env: &Env) {
    let level = env.log_level().unwrap_or(LevelFilter::INFO);
    let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    // Spans carry the correlation id.
    let lines = lines.with_filter(filter_fn(move |meta| {
        let is_wanted = meta.is_span() || meta.target() == audit::TARGET || *meta.level() <= level;
        is_wanted && meta.target() != METRICS
    }));
    let metrics = fmt::layer().event_format(EmbeddedMetrics::new(env.function_name()));
    let metrics = metrics.with_filter(filter_fn(|meta| meta.target() == METRICS));
    // The cap: whatever the environment asks for, nothing finer is recorded.
    tracing_subscriber::registry().with(LevelFilter::INFO).with(lines).with(metrics).init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// Says in the log why a function does not start; what it returns to Lambda is seen by nobody.
pub fn cannot_boot(error: &ConfigError) {
    tracing::error!(error = chain(error), "cannot boot");
}
