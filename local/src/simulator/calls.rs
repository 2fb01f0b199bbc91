//! What a service was asked, for tests and the control page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

const CALLS_KEPT: usize = 20_000;
const CALLS_SHOWN: usize = 12;

/// What a service was asked, as far as a test may care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub http_method: String,
    /// The path, such as `/method/users.get`.
    pub path: String,
    /// The query string.
    pub query: String,
}

/// The calls since somebody last took them, oldest first.
#[derive(Default)]
pub(crate) struct Calls {
    noted: Mutex<Vec<Call>>,
    count: watch::Sender<usize>,
}

impl Calls {
    /// Notes a call, and forgets the oldest ones of a stack that has run for days.
    pub(crate) fn note(&self, http_method: &str, path: &str, query: &str) {
        let mut noted = self.noted();
        if noted.len() >= 2 * CALLS_KEPT {
            noted.drain(..CALLS_KEPT);
        }
        noted.push(Call {
            http_method: http_method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        });
        self.count.send_replace(noted.len());
    }

    /// The calls, which are forgotten here.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.noted())
    }

    /// Resolves once there are at least `count`.
    pub(crate) async fn reach(&self, count: usize) {
        let mut changes = self.count.subscribe();
        while self.noted().len() < count && changes.changed().await.is_ok() {}
    }

    /// The latest ones, for the control page.
    pub(super) fn latest(&self) -> Vec<Value> {
        let noted = self.noted();
        let latest = noted.iter().rev().take(CALLS_SHOWN);
        latest.map(|call| json!({ "method": call.http_method, "path": call.path })).collect()
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Call>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
