//! The product that a service's control page belongs to.

use std::sync::OnceLock;

use futures_util::future::BoxFuture;

const EVENTS_SHOWN: usize = 12;

/// Runs a sweep and says what it found.
pub type SweepNow = Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// The product's events, oldest first, a line each.
pub type Events = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The product, once it is known.
#[derive(Default)]
pub(crate) struct Product(OnceLock<Known>);

struct Known {
    address: String,
    sweep: SweepNow,
    events: Events,
}

impl Product {
    /// Makes it known; the first one stays.
    pub(crate) fn set(&self, address: String, sweep: SweepNow, events: Events) {
        let _ = self.0.set(Known { address, sweep, events });
    }

    /// Its address.
    pub(super) fn address(&self) -> Option<&str> {
        self.0.get().map(|known| known.address.as_str())
    }

    /// Runs a sweep, and says what it found.
    pub(crate) async fn sweep(&self) -> Option<String> {
        Some((self.0.get()?.sweep)().await)
    }

    /// Its latest events, newest first.
    pub(super) fn latest_events(&self) -> Vec<String> {
        let events = self.0.get().map(|known| (known.events)()).unwrap_or_default();
        events.into_iter().rev().take(EVENTS_SHOWN).collect()
    }
}
