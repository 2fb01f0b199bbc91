//! When a sweep must stop.

use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Context;

/// Work in flight when the sweep stops needs this long: the slowest call to the provider, recording the
/// verdict with its retries, and the summary.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// The time after which the sweep starts no new check.
pub(crate) struct Deadline {
    clock: Clock,
    at: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Deadline {
    /// Thirty seconds before Lambda's time-out, or a quarter of the time left if that is shorter. There
    /// is no deadline if the caller sets none; some emulators send a time in the past instead.
    pub(crate) fn of(context: &Context, clock: Clock) -> Self {
        let now = clock.now();
        let end = i64::try_from(context.deadline).ok().and_then(|end| Timestamp::from_millisecond(end).ok());
        let end = end.filter(|end| *end > now);
        let at = end.and_then(|end| {
            let left = end.duration_since(now);
            end.checked_sub(MARGIN.min(left / 4)).ok()
        });
        Self { clock, at, end }
    }

    pub(crate) fn has_passed(&self) -> bool {
        !self.allows(self.clock.now())
    }

    /// When Lambda ends the invocation; `None` if there is no deadline.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Whether a check may start at `moment`.
    pub(crate) fn allows(&self, moment: Timestamp) -> bool {
        self.at.is_none_or(|at| moment < at)
    }
}
