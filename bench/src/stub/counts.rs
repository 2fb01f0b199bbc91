//! What was asked of the stub.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Counts from the start on.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) handshakes: AtomicU64,
    /// Of requests and answers, as they are inside TLS.
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) rows_read: AtomicU64,
    pub(super) rows_written: AtomicU64,
    /// How long VK has taken for its answers, in microseconds.
    pub(super) vk_micros: AtomicU64,
    /// Rows written as offline.
    pub(super) marked_offline: AtomicU64,
    flying: AtomicU64,
    most_in_flight: AtomicU64,
    /// By operation, or by path.
    requests: Mutex<BTreeMap<String, u64>>,
}

/// A call in flight, until it is dropped.
pub(super) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, number: usize) {
        counter.fetch_add(u64::try_from(number).unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn request(&self, name: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        match requests.get_mut(name) {
            Some(number) => *number += 1,
            None => drop(requests.insert(name.to_owned(), 1)),
        }
    }

    pub(super) fn in_flight(&self) -> InFlight<'_> {
        let now = self.flying.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(&self.flying)
    }

    pub(super) fn to_json(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "connections": count(&self.connections),
            "handshakes": count(&self.handshakes),
            "bytes_in": count(&self.bytes_in),
            "bytes_out": count(&self.bytes_out),
            "rows_read": count(&self.rows_read),
            "rows_written": count(&self.rows_written),
            "vk_micros": count(&self.vk_micros),
            "marked_offline": count(&self.marked_offline),
            "most_in_flight": count(&self.most_in_flight),
            "requests": *self.requests.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}
