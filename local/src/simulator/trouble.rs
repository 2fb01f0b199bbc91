//! Trouble that is made at one service alone, beside the faults they all have.

use serde_json::Value;

use super::control::{Choice, choices};

/// The ways that are switched on, and the answers of the token endpoint to lose.
pub(crate) struct Trouble<S> {
    on: Vec<S>,
    /// How many answers are still to be lost.
    pub(crate) answers_to_lose: u32,
}

impl<S> Default for Trouble<S> {
    fn default() -> Self {
        Self { on: Vec::new(), answers_to_lose: 0 }
    }
}

impl<S: Choice> Trouble<S> {
    pub(crate) fn is_on(&self, switch: S) -> bool {
        self.on.contains(&switch)
    }

    pub(crate) fn set(&mut self, switch: S, on: bool) {
        self.on.retain(|other| *other != switch);
        if on {
            self.on.push(switch);
        }
    }

    /// Whether the answer under way is one to lose; counts it.
    pub(crate) fn loses_an_answer(&mut self) -> bool {
        let loses = self.answers_to_lose > 0;
        self.answers_to_lose = self.answers_to_lose.saturating_sub(1);
        loses
    }

    /// The switches, for the control page.
    pub(crate) fn switches(&self) -> Value {
        choices(|switch| self.is_on(switch))
    }
}
