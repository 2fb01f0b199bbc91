//! What has been announced lately, so that a batch delivered again is not announced twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Twice the largest batch.
const KEPT: usize = 1_000;

/// The ids of changes this environment has announced. A cold one knows none: delivery is at least once,
/// and whoever must not act twice keeps the ids.
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
