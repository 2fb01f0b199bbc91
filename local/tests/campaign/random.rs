//! Randomness of a seed (`SplitMix64`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evosync_connections::platform::Entropy;

#[derive(Clone)]
pub(crate) struct Random(Arc<AtomicU64>);

impl Random {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
    }

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&self, most: u64) -> u64 {
        self.next() % most
    }

    pub(crate) fn one_in(&self, count: u64) -> bool {
        count > 0 && self.below(count) == 0
    }

    pub(crate) fn up_to(&self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(longest.as_millis()).unwrap() + 1))
    }

    pub(crate) fn entropy(&self) -> Entropy {
        let random = self.clone();
        Entropy::new(move |bytes| {
            for chunk in bytes.chunks_mut(8) {
                chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
            }
        })
    }
}
