//! How fast a provider is called. Slow start, a rate that halves when the provider says "too many" and
//! recovers slowly (additive increase, multiplicative decrease), and a circuit breaker for outages.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evosync_connections::domain::{Liveness, Unknown};
use evosync_connections::platform::Clock;
use evosync_connections::providers::CheckAnswer;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::deadline::Deadline;

/// Calls in flight before the first success. Each success allows one more.
const FIRST_IN_FLIGHT: usize = 2;

/// As many failures in a row are an outage.
const OUTAGE_AFTER: u32 = 5;

/// As many "too many requests" in a row are one too; a provider that only limits the rate lets some through.
const REFUSAL_AFTER: u32 = 10;

/// The pause after the first outage. It doubles for each further one in a row.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// As many outages in a row, and the provider is given up for the rest of the run.
const OUTAGES: i32 = 4;

/// If all of so many first answers are our own fault, the provider is given up.
const FIRST_ANSWERS: u32 = 12;

/// The slowest rate, and the step by which a rate recovers, as parts of the highest.
const SLOWEST: f64 = 1.0 / 64.0;
const RECOVERY: f64 = 1.0 / 50.0;

/// What a timer cannot measure: Tokio's ticks are a millisecond. A call that comes early by less is let through; the
/// rate holds, since the next one's time does not move.
const TICK: Duration = Duration::from_millis(1);

/// One provider's rate limit in one worker.
pub(crate) struct RateLimit {
    clock: Clock,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    /// Calls a second: the worker's share, and what is allowed now.
    share: f64,
    rate: f64,
    /// When the next call may be made.
    next: Timestamp,
    /// Until when the provider is left alone, by its wish or after an outage.
    alone_until: Timestamp,
    most_in_flight: usize,
    allowed_in_flight: usize,
    in_flight: usize,
    failures: u32,
    refusals: u32,
    /// Outages in a row, and a number of each pause: answers to calls from before it say nothing new.
    outages: i32,
    pause: u32,
    answers: u32,
    our_faults: u32,
    given_up: bool,
}

/// The right to make one call. It counts as in flight until [`RateLimit::settle`].
pub(crate) struct Turn {
    pause: u32,
}

impl RateLimit {
    /// At most `per_second` calls a second and `most_in_flight` at once.
    pub(crate) fn new(clock: Clock, per_second: f64, most_in_flight: usize) -> Self {
        let state = State {
            share: per_second,
            rate: per_second,
            next: clock.now(),
            alone_until: clock.now(),
            most_in_flight,
            allowed_in_flight: FIRST_IN_FLIGHT.min(most_in_flight),
            in_flight: 0,
            failures: 0,
            refusals: 0,
            outages: 0,
            pause: 0,
            answers: 0,
            our_faults: 0,
            given_up: false,
        };
        Self { clock, state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits for a turn. `None` if it would come after the deadline, or the provider is given up.
    pub(crate) async fn turn(&self, deadline: &Deadline) -> Option<Turn> {
        loop {
            let claim = self.state().claim(self.clock.now(), deadline)?;
            let Claim::Turn(turn, wait) = claim else {
                self.freed.notified().await;
                continue;
            };
            if let Ok(wait) = Duration::try_from(wait)
                && wait >= TICK
            {
                self.clock.sleep(wait).await;
            }
            if self.state().confirm(&turn, deadline) {
                return Some(turn);
            }
            self.freed.notify_one();
        }
    }

    /// Takes note of the answer to the call of a turn.
    pub(crate) fn settle(&self, turn: &Turn, answer: &CheckAnswer) {
        let mut state = self.state();
        state.in_flight -= 1;
        if turn.pause == state.pause {
            state.learn(answer, self.clock.now());
        }
        let (given_up, free) = (state.given_up, state.allowed_in_flight.saturating_sub(state.in_flight));
        drop(state);
        if given_up {
            self.freed.notify_waiters();
        }
        for _ in 0..free.min(2) {
            self.freed.notify_one();
        }
    }

    /// Gives a turn back that no call was made in.
    pub(crate) fn abandon(&self, _turn: &Turn) {
        self.state().in_flight -= 1;
        self.freed.notify_one();
    }

    /// Gives the provider up, as another worker did.
    pub(crate) fn give_up(&self) {
        self.state().given_up = true;
        self.freed.notify_waiters();
    }

    /// Whether the provider is asked no more in this run.
    pub(crate) fn has_given_up(&self) -> bool {
        self.state().given_up
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Claim {
    Turn(Turn, SignedDuration),
    /// As many calls are in flight as may be.
    Full,
}

impl State {
    fn claim(&mut self, now: Timestamp, deadline: &Deadline) -> Option<Claim> {
        let at = self.next.max(self.alone_until).max(now);
        // Another invocation would not know that it must wait, and ask at once.
        self.given_up |= !deadline.allows(self.alone_until);
        if self.given_up || !deadline.allows(at) {
            return None;
        }
        if self.in_flight >= self.allowed_in_flight {
            return Some(Claim::Full);
        }
        self.in_flight += 1;
        self.next = at.saturating_add(SignedDuration::from_secs_f64(1.0 / self.rate)).unwrap_or(at);
        Some(Claim::Turn(Turn { pause: self.pause }, at.duration_since(now)))
    }

    /// Whether a call may be made now that it has waited; otherwise it is not in flight. An outage may have
    /// begun in the meantime.
    fn confirm(&mut self, turn: &Turn, deadline: &Deadline) -> bool {
        let may = turn.pause == self.pause && !self.given_up && !deadline.has_passed();
        self.in_flight -= usize::from(!may);
        may
    }

    fn learn(&mut self, answer: &CheckAnswer, now: Timestamp) {
        self.answers += 1;
        if let Some(limited) = answer.rate_limited {
            self.rate = (self.rate / 2.0).max(self.share * SLOWEST);
            let wait = limited.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
            let leave_alone = wait.and_then(|wait| now.saturating_add(wait).ok());
            self.alone_until = self.alone_until.max(leave_alone.unwrap_or(now));
            self.refusals += 1;
        } else if answer.liveness == Liveness::Unknown(Unknown::Transient) {
            self.failures += 1;
        } else {
            self.learn_that_it_answers(answer);
        }
        if self.failures >= OUTAGE_AFTER || self.refusals >= REFUSAL_AFTER {
            self.begin_outage(now);
        }
    }

    fn learn_that_it_answers(&mut self, answer: &CheckAnswer) {
        (self.failures, self.refusals, self.outages) = (0, 0, 0);
        if answer.liveness == Liveness::Unknown(Unknown::OurFault) {
            self.our_faults += 1;
            self.given_up |= self.our_faults == self.answers && self.answers == FIRST_ANSWERS;
            return;
        }
        self.rate = (self.rate + self.share * RECOVERY).min(self.share);
        self.allowed_in_flight = (self.allowed_in_flight + 1).min(self.most_in_flight);
    }

    /// Pauses, and lets one call at a time find out whether the outage is over.
    fn begin_outage(&mut self, now: Timestamp) {
        self.outages += 1;
        self.pause += 1;
        self.given_up |= self.outages >= OUTAGES;
        self.allowed_in_flight = 1;
        (self.failures, self.refusals) = (OUTAGE_AFTER - 1, REFUSAL_AFTER - 1);
        let pause = FIRST_PAUSE * 2_i32.saturating_pow(self.outages.unsigned_abs() - 1);
        self.alone_until = self.alone_until.max(now.saturating_add(pause).unwrap_or(now));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evosync_connections::domain::Unknown;
    use evosync_connections::platform::Time;
    use evosync_connections::providers::RateLimited;
    use futures_util::future::{BoxFuture, join_all};
    use lambda_runtime::Context;

    use super::*;

    /// A clock that a sleep moves forward without waiting.
    #[derive(Clone, Default)]
    struct SleepingTime(Arc<Mutex<SignedDuration>>);

    impl SleepingTime {
        fn passed(&self) -> SignedDuration {
            *self.0.lock().unwrap()
        }
    }

    impl Time for SleepingTime {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.passed()
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            *self.0.lock().unwrap() += SignedDuration::try_from(duration).unwrap();
            Box::pin(std::future::ready(()))
        }
    }

    fn deadline(time: &SleepingTime, after: Duration) -> Deadline {
        let mut context = Context::default();
        context.deadline = u64::try_from(after.as_millis()).unwrap();
        Deadline::of(&context, Clock::new(time.clone()))
    }

    fn limit(time: &SleepingTime, per_second: f64) -> RateLimit {
        RateLimit::new(Clock::new(time.clone()), per_second, 4)
    }

    fn too_many(retry_after: Option<Duration>) -> CheckAnswer {
        let rate_limited = Some(RateLimited { retry_after });
        CheckAnswer { rate_limited, ..CheckAnswer::of(Liveness::Unknown(Unknown::Transient)) }
    }

    fn down() -> CheckAnswer {
        CheckAnswer::of(Liveness::Unknown(Unknown::Transient))
    }

    /// Calls one after the other until `calls` are made or there is no further turn; how many were made.
    async fn call(
        limit: &RateLimit,
        deadline: &Deadline,
        calls: usize,
        mut answer: impl FnMut() -> CheckAnswer,
    ) -> usize {
        for made in 0..calls {
            let Some(turn) = limit.turn(deadline).await else { return made };
            limit.settle(&turn, &answer());
        }
        calls
    }

    #[tokio::test]
    async fn calls_are_spaced_by_the_rate() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 4.0), deadline(&time, Duration::from_hours(1)));
        assert_eq!(call(&limit, &long, 9, || CheckAnswer::of(Liveness::Alive)).await, 9);
        assert_eq!(time.passed(), SignedDuration::from_secs(2));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_after_the_deadline() {
        let time = SleepingTime::default();
        // The margin is a quarter of eight seconds, so six turns are left.
        let (limit, short) = (limit(&time, 1.0), deadline(&time, Duration::from_secs(8)));
        assert_eq!(call(&limit, &short, 20, || CheckAnswer::of(Liveness::Alive)).await, 6);
        assert!(!limit.has_given_up());
    }

    #[tokio::test]
    async fn two_calls_are_in_flight_at_first_and_each_success_allows_one_more() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 1_000.0), deadline(&time, Duration::from_hours(1)));
        let first = [limit.turn(&long).await.unwrap(), limit.turn(&long).await.unwrap()];
        let mut third = Box::pin(limit.turn(&long));
        assert!(futures_util::poll!(&mut third).is_pending());
        limit.settle(&first[0], &CheckAnswer::of(Liveness::Alive));
        let third = third.await.unwrap();
        let fourth = limit.turn(&long).await.unwrap();
        assert!(futures_util::poll!(Box::pin(limit.turn(&long))).is_pending());
        for turn in [&first[1], &third, &fourth] {
            limit.settle(turn, &CheckAnswer::of(Liveness::Alive));
        }
        assert_eq!(join_all((0..4).map(|_| limit.turn(&long))).await.len(), 4);
    }

    /// A provider that lets ten calls through each second and answers "too many" to all others.
    #[tokio::test]
    async fn against_a_provider_that_limits_the_rate_most_calls_get_through() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 40.0), deadline(&time, Duration::from_hours(10)));
        let (mut second, mut in_second, mut refused) = (0, 0, 0);
        let clock = time.clone();
        let made = call(&limit, &long, 2_000, || {
            if clock.passed().as_secs() != second {
                (second, in_second) = (clock.passed().as_secs(), 0);
            }
            in_second += 1;
            if in_second > 10 {
                refused += 1;
                return too_many(None);
            }
            CheckAnswer::of(Liveness::Alive)
        })
        .await;
        assert_eq!(made, 2_000, "it is no outage");
        assert!(refused < 300, "{refused} of 2000 refused");
        assert!(time.passed() < SignedDuration::from_secs(600), "{}", time.passed());
    }

    #[tokio::test]
    async fn the_rate_recovers_and_never_exceeds_the_share() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 10.0), deadline(&time, Duration::from_hours(10)));
        call(&limit, &long, 3, || too_many(None)).await;
        assert!(limit.state().rate < 2.0);
        call(&limit, &long, 200, || CheckAnswer::of(Liveness::Alive)).await;
        assert!((limit.state().rate - 10.0).abs() < 1e-9);
    }

    #[tokio::test]
    async fn the_provider_is_left_alone_for_as_long_as_it_asks() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 10.0), deadline(&time, Duration::from_hours(1)));
        call(&limit, &long, 1, || too_many(Some(Duration::from_mins(7)))).await;
        call(&limit, &long, 1, || CheckAnswer::of(Liveness::Alive)).await;
        assert_eq!(time.passed(), SignedDuration::from_mins(7));
        call(&limit, &long, 1, || too_many(Some(Duration::from_hours(24)))).await;
        assert_eq!(call(&limit, &long, 1, || CheckAnswer::of(Liveness::Alive)).await, 0);
        assert!(limit.has_given_up(), "longer than there is time");
    }

    #[tokio::test]
    async fn an_outage_is_probed_one_call_at_a_time_and_then_given_up() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 100.0), deadline(&time, Duration::from_hours(1)));
        assert_eq!(call(&limit, &long, 100, down).await, 8);
        assert!(limit.has_given_up());
        let pauses = time.passed().as_secs();
        assert_eq!(pauses, 30 + 60 + 120, "before the three probes");
    }

    #[tokio::test]
    async fn an_outage_that_ends_is_forgotten() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 100.0), deadline(&time, Duration::from_hours(1)));
        for _ in 0..10 {
            call(&limit, &long, 5, down).await;
            assert_eq!(call(&limit, &long, 20, || CheckAnswer::of(Liveness::Alive)).await, 20);
        }
    }

    #[tokio::test]
    async fn what_was_in_flight_when_the_outage_began_counts_once() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 100.0), deadline(&time, Duration::from_hours(1)));
        call(&limit, &long, 10, || CheckAnswer::of(Liveness::Alive)).await;
        let in_flight = join_all((0..4).map(|_| limit.turn(&long))).await;
        for turn in in_flight.into_iter().flatten() {
            limit.settle(&turn, &down());
        }
        call(&limit, &long, 1, down).await;
        let waiting = limit.turn(&long).await;
        assert!(waiting.is_some());
        assert!(futures_util::poll!(Box::pin(limit.turn(&long))).is_pending(), "one probe at a time");
    }

    #[tokio::test]
    async fn a_dozen_answers_that_blame_us_end_the_asking() {
        let time = SleepingTime::default();
        let (limit, long) = (limit(&time, 100.0), deadline(&time, Duration::from_hours(1)));
        let ours = || CheckAnswer::of(Liveness::Unknown(Unknown::OurFault));
        assert_eq!(call(&limit, &long, 100, ours).await, 12);
        let limit = RateLimit::new(Clock::new(time.clone()), 100.0, 4);
        call(&limit, &long, 1, || CheckAnswer::of(Liveness::Alive)).await;
        assert_eq!(call(&limit, &long, 100, ours).await, 100, "not all of the first dozen");
    }
}
