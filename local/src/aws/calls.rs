//! Counting calls, and breaking them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The calls an endpoint has received, by operation.
#[derive(Default)]
pub struct Calls {
    made: Mutex<Vec<String>>,
    broken: Mutex<HashSet<String>>,
}

impl Calls {
    /// Notes a call; whether it is to be answered.
    pub(super) fn note(&self, operation: &str) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(operation.to_owned());
        !self.broken.lock().unwrap_or_else(PoisonError::into_inner).contains(operation)
    }

    /// Takes the operations called since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes an operation fail from now on.
    pub fn break_operation(&self, operation: &str) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.to_owned());
    }

    /// Makes every operation work again.
    pub fn mend(&self) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
