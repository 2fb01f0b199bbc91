//! When a sweep must stop.

use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Context;

/// What is under way when the sweep stops needs this long: a call to the provider at its slowest,
/// the verdict's record with its retries, and the summary.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// A moment after which nothing new is begun.
pub(crate) struct Deadline {
    clock: Clock,
    at: Option<Timestamp>,
}

impl Deadline {
    /// A margin before Lambda ends the invocation, but never more than a quarter of the time there
    /// is. None where the caller sets no limit; some emulators say so by a time long past.
    pub(crate) fn of(context: &Context, clock: Clock) -> Self {
        let now = clock.now();
        let end = i64::try_from(context.deadline).ok().and_then(|end| Timestamp::from_millisecond(end).ok());
        let at = end.filter(|end| *end > now).and_then(|end| {
            let left = end.duration_since(now);
            end.checked_sub(MARGIN.min(left / 4)).ok()
        });
        Self { clock, at }
    }

    pub(crate) fn has_passed(&self) -> bool {
        !self.allows(self.clock.now())
    }

    /// Whether something may be begun at a moment.
    pub(crate) fn allows(&self, moment: Timestamp) -> bool {
        self.at.is_none_or(|at| moment < at)
    }
}
