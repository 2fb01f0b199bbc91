//! The coloured word that says how a connection is doing. What makes a connection healthy or not is
//! [`Health`]'s, in `src/domain/connection.rs`; the colours are Bootstrap's `text-bg-*`.

use serde::Serialize;

use crate::domain::Health;

/// A badge.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Badge {
    /// The style sheet's class.
    class: &'static str,
    /// The key of its text.
    text: &'static str,
}

const GREY: &str = "text-bg-secondary";
const GREEN: &str = "text-bg-success";
const AMBER: &str = "text-bg-warning";
const RED: &str = "text-bg-danger";

impl Badge {
    pub(super) const NOT_CONNECTED: Self = Self { class: GREY, text: "badge-none" };
    pub(super) const CONNECTED: Self = Self { class: GREEN, text: "badge-working" };

    /// The badge of a connection.
    pub(super) fn of(health: Health) -> Self {
        match health {
            Health::Working => Self::CONNECTED,
            Health::Expiring(_) => Self { class: AMBER, text: "badge-expiring" },
            Health::Unverified => Self { class: AMBER, text: "badge-unverified" },
            Health::Broken(_) => Self { class: RED, text: "badge-broken" },
        }
    }
}
