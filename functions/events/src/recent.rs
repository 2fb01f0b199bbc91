//! Deduplication: recently announced changes, so that a redelivered batch is not announced twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Twice the largest batch.
const KEPT: usize = 1_000;

/// The ids of changes that this execution environment has announced. A cold start knows none, so delivery
/// is at least once: subscribers deduplicate by id.
#[derive(Default)]
pub(crate) struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == id)
    }

    pub(crate) fn add(&self, id: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KEPT {
            known.pop_front();
        }
        known.push_back(id.to_owned());
    }
}
