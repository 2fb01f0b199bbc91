//! The rate limit on calls to a provider.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::deadline::Deadline;

/// Gives concurrent callers evenly spaced times to call at.
pub(crate) struct RateLimit {
    clock: Clock,
    interval: SignedDuration,
    next: Mutex<Timestamp>,
}

impl RateLimit {
    /// At most `per_second` calls a second.
    pub(crate) fn new(clock: Clock, per_second: NonZeroU32) -> Self {
        let interval = SignedDuration::from_nanos(1_000_000_000 / i64::from(per_second.get()));
        let next = Mutex::new(clock.now());
        Self { clock, interval, next }
    }

    /// Resolves to true when it is this caller's turn. Resolves to false at once if the turn would come
    /// after the deadline.
    pub(crate) async fn turn(&self, deadline: &Deadline) -> bool {
        let wait = {
            let now = self.clock.now();
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(now);
            if !deadline.allows(turn) {
                return false;
            }
            *next = turn + self.interval;
            turn.duration_since(now)
        };
        if let Ok(wait) = Duration::try_from(wait)
            && !wait.is_zero()
        {
            self.clock.sleep(wait).await;
        }
        !deadline.has_passed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evosync_connections::platform::Time;
    use futures_util::future::{BoxFuture, join_all};
    use lambda_runtime::Context;

    use super::*;

    /// A clock that a sleep moves forward without waiting.
    #[derive(Clone, Default)]
    struct SleepingTime(Arc<Mutex<SignedDuration>>);

    impl Time for SleepingTime {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + *self.0.lock().unwrap()
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            *self.0.lock().unwrap() += SignedDuration::try_from(duration).unwrap();
            Box::pin(std::future::ready(()))
        }
    }

    fn deadline(clock: &Clock, after: Duration) -> Deadline {
        let mut context = Context::default();
        context.deadline = u64::try_from(after.as_millis()).unwrap();
        Deadline::of(&context, clock.clone())
    }

    #[tokio::test]
    async fn calls_are_spaced_by_the_rate_limit() {
        let time = SleepingTime::default();
        let clock = Clock::new(time.clone());
        let (limit, long) =
            (RateLimit::new(clock.clone(), 4.try_into().unwrap()), deadline(&clock, Duration::from_hours(1)));
        for _ in 0..9 {
            assert!(limit.turn(&long).await);
        }
        assert_eq!(*time.0.lock().unwrap(), SignedDuration::from_secs(2));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_after_the_deadline() {
        let time = SleepingTime::default();
        let clock = Clock::new(time.clone());
        // The margin is a quarter of eight seconds, so six turns are left.
        let (limit, short) =
            (RateLimit::new(clock.clone(), 1.try_into().unwrap()), deadline(&clock, Duration::from_secs(8)));
        let turns = join_all((0..20).map(|_| limit.turn(&short))).await;
        assert_eq!(turns.iter().filter(|turn| **turn).count(), 6);
        assert!(*time.0.lock().unwrap() < SignedDuration::from_secs(6 * 6));
    }
}
