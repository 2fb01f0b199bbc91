//! Writes that meet another one on the same row, and try again.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::platform::{Clock, Entropy, Platform};

/// How often a write is tried, and the longest pause before the second try; it doubles for each
/// further one.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Tries writes until they settle.
#[derive(Clone)]
pub(super) struct Retry {
    clock: Clock,
    entropy: Entropy,
}

/// What became of one try.
pub(super) enum Try<T> {
    /// This is the outcome.
    Settled(T),
    /// This is the outcome unless another try has a better one.
    Passing(T),
}

impl Retry {
    pub(super) fn new(platform: &Platform) -> Self {
        Self { clock: platform.clock.clone(), entropy: platform.entropy.clone() }
    }

    /// Tries until the outcome is settled, with growing, jittered pauses.
    pub(super) async fn run<T, F: Future<Output = Try<T>>>(&self, attempt: impl Fn() -> F) -> T {
        let mut longest_pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            if let Try::Settled(outcome) = attempt().await {
                return outcome;
            }
            self.clock.sleep(self.entropy.jitter(longest_pause)).await;
            longest_pause *= 2;
        }
        match attempt().await {
            Try::Settled(outcome) | Try::Passing(outcome) => outcome,
        }
    }

    /// Makes a write to a single row, again while a transaction holds the row. The SDK does not count
    /// that among what is worth another try.
    pub(super) async fn write<T, E, R, F>(&self, write: impl Fn() -> F) -> Result<T, SdkError<E, R>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        self.run(|| {
            let write = write();
            async {
                match write.await {
                    Err(error) if is_conflict(&error) => Try::Passing(Err(error)),
                    outcome => Try::Settled(outcome),
                }
            }
        })
        .await
    }
}

fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("TransactionConflictException")
}
