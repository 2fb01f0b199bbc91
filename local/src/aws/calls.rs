//! Counting calls, breaking them, and holding them back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The calls an endpoint has received, by operation, and what is to become of further ones.
#[derive(Default)]
pub struct Calls {
    state: Mutex<State>,
    held: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct State {
    made: Vec<String>,
    /// Operations, and how many calls pass before they fail, or lose one answer.
    broken: HashMap<String, usize>,
    unprocessed: usize,
    lost: HashMap<String, usize>,
    conflicting: HashMap<String, usize>,
}

/// What is to become of a call.
pub(super) enum Fate {
    Answer,
    Fail,
    Lose,
    Conflict,
    LeaveUnprocessed,
}

impl Calls {
    /// Notes a call, waits while its operation is held, and says what to do with it.
    pub(super) async fn note(&self, operation: &str) -> Fate {
        self.state().made.push(operation.to_owned());
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| held.as_deref() != Some(operation)).await;
        let mut state = self.state();
        if has_come(&mut state.lost, operation) {
            state.lost.remove(operation);
            Fate::Lose
        } else if has_come(&mut state.broken, operation) {
            Fate::Fail
        } else if let Some(left) = state.conflicting.get_mut(operation).filter(|left| **left > 0) {
            *left -= 1;
            Fate::Conflict
        } else if operation == "BatchGetItem" && state.unprocessed > 0 {
            state.unprocessed -= 1;
            Fate::LeaveUnprocessed
        } else {
            Fate::Answer
        }
    }

    /// Takes the operations called since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state().made)
    }

    /// Makes an operation fail from now on.
    pub fn break_operation(&self, operation: &str) {
        self.break_after(operation, 0);
    }

    /// Makes an operation fail once `passing` more calls have passed.
    pub fn break_after(&self, operation: &str, passing: usize) {
        self.state().broken.insert(operation.to_owned(), passing);
    }

    /// Makes the next call of an operation work and its answer be lost.
    pub fn lose_answer(&self, operation: &str) {
        self.lose_after(operation, 0);
    }

    /// Makes an operation work and its answer be lost, once, when `passing` more calls have passed.
    pub fn lose_after(&self, operation: &str, passing: usize) {
        self.state().lost.insert(operation.to_owned(), passing);
    }

    /// Makes the next `times` calls of an operation meet a transaction on the same row.
    pub fn conflict(&self, operation: &str, times: usize) {
        self.state().conflicting.insert(operation.to_owned(), times);
    }

    /// Makes every operation work again.
    pub fn mend(&self) {
        self.state().broken.clear();
    }

    /// Leaves the keys of the next `times` batch reads unprocessed, as DynamoDB may under load.
    pub fn leave_unprocessed(&self, times: usize) {
        self.state().unprocessed = times;
    }

    /// Holds an operation back until [`Calls::release`].
    pub fn hold(&self, operation: &str) {
        self.held.send_replace(Some(operation.to_owned()));
    }

    /// Lets a held operation go.
    pub fn release(&self) {
        self.held.send_replace(None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all the calls have passed that may; counts this one otherwise.
fn has_come(passing: &mut HashMap<String, usize>, operation: &str) -> bool {
    match passing.get_mut(operation) {
        None => false,
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
    }
}
