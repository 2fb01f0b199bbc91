//! The global rate limit on calls to the provider.

use std::num::NonZeroU32;
use std::sync::Mutex;

use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};

/// Hands out moments to call at, evenly spaced.
pub(crate) struct Pace {
    clock: Clock,
    interval: SignedDuration,
    next: Mutex<Timestamp>,
}

impl Pace {
    /// At most `per_second` moments a second.
    pub(crate) fn new(clock: Clock, per_second: NonZeroU32) -> Self {
        let interval = SignedDuration::from_nanos(1_000_000_000 / i64::from(per_second.get()));
        let next = Mutex::new(clock.now());
        Self { clock, interval, next }
    }

    /// Resolves when it is this caller's turn.
    pub(crate) async fn turn(&self) {
        let wait = {
            let now = self.clock.now();
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let turn = (*next).max(now);
            *next = turn + self.interval;
            turn.duration_since(now)
        };
        if let Ok(wait) = std::time::Duration::try_from(wait)
            && !wait.is_zero()
        {
            self.clock.sleep(wait).await;
        }
    }
}
