//! What tests give a stack: time that stands still until moved, and randomness that repeats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use evosync_connections::platform::{Entropy, Time};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

/// Time that moves only when told to. Whoever sleeps wakes at once.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that stands at an instant.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Time for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// Randomness that is the same in every run: digests of a counter.
pub fn repeatable_entropy() -> Entropy {
    let counter = AtomicU64::new(0);
    Entropy::new(move |bytes| {
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let count = counter.fetch_add(1, Ordering::Relaxed);
            let random = digest::digest(&digest::SHA256, &count.to_be_bytes());
            chunk.copy_from_slice(&random.as_ref()[..chunk.len()]);
        }
    })
}
