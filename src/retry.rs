//! Retrying with exponential back-off and jitter: everything in the product that asks again asks
//! through [`Retry`].

use std::time::Duration;

use crate::platform::{Clock, Entropy, Platform};

/// Tries something until it settles, a bounded number of times.
#[derive(Clone)]
pub struct Retry {
    clock: Clock,
    entropy: Entropy,
    policy: Policy,
}

/// How often and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// All tries, the first included; 1 or more.
    pub tries: u32,
    /// The longest pause before the second try. It doubles for each further one.
    pub first_pause: Duration,
}

/// What became of one try.
pub enum Try<T> {
    /// This is the outcome.
    Settled(T),
    /// This is the outcome unless another try has a better one.
    Transient(T),
}

impl Retry {
    /// Retries by a policy.
    pub fn new(platform: &Platform, policy: Policy) -> Self {
        Self { clock: platform.clock.clone(), entropy: platform.entropy.clone(), policy }
    }

    /// Tries until the outcome is settled, or the last time. Pauses are random between nothing and
    /// the longest ("full jitter"), so that those who failed together do not return together.
    pub async fn run<T, F: Future<Output = Try<T>>>(&self, attempt: impl Fn() -> F) -> T {
        let mut longest_pause = self.policy.first_pause;
        for _ in 1..self.policy.tries {
            if let Try::Settled(outcome) = attempt().await {
                return outcome;
            }
            self.clock.sleep(self.entropy.jitter(longest_pause)).await;
            longest_pause *= 2;
        }
        match attempt().await {
            Try::Settled(outcome) | Try::Transient(outcome) => outcome,
        }
    }
}
