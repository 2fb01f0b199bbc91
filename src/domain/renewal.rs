//! When a refresh token may be spent.
//!
//! It is used once, and its provider takes a second use for theft. So a renewal is claimed in the
//! connection's row before it is sent, one at a time, and a claim whose outcome nobody knows stands in the way
//! of another until there is nothing left to lose.

use jiff::{SignedDuration, Timestamp};

use super::OfflineReason;

/// A renewal takes seconds. Whoever has not concluded an older claim is gone, and its outcome is unknown.
const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_mins(20);

/// A refusal is asked about once more, and after that only so often: while a mass failure is held back, its
/// connections must not spend the day's budget.
const REFUSED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// A renewal that was begun and brought no new tokens so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenewalClaim {
    /// Random: names the renewal.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// How often the provider has refused the refresh token, one renewal after the other.
    pub refusals: u8,
    /// Whether the outcome of an earlier renewal with the same refresh token was never known.
    pub after_loss: bool,
}

/// What a connection's row says about a further renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spending {
    /// The refresh token may be spent.
    Allowed {
        /// Whether it may have been spent before, by a renewal whose outcome nobody knows.
        after_loss: bool,
    },
    /// Somebody else is renewing, or was when it was lost, while the access token may still work.
    Kept,
    /// The provider refused the refresh token, and there is nothing to try now.
    Over,
}

impl RenewalClaim {
    /// A claim that begins at `at`.
    pub fn new(random: [u8; 16], at: Timestamp, after_loss: bool) -> Self {
        Self { id: format!("{:032x}", u128::from_be_bytes(random)), at, refusals: 0, after_loss }
    }

    /// The same after a further refusal.
    #[must_use]
    pub fn refused(self) -> Self {
        Self { refusals: self.refusals.saturating_add(1), ..self }
    }

    /// Why the connection is offline once the refresh token is refused.
    pub fn reason(&self) -> OfflineReason {
        if self.after_loss { OfflineReason::RenewalLost } else { OfflineReason::TokenRejected }
    }
}

impl Spending {
    /// Judges a claim that may stand in a row. `access_is_dead` says that the access token does not work any
    /// more: only then may a refresh token be spent that was refused or that may be spent already.
    pub fn of(claim: Option<&RenewalClaim>, is_online: bool, access_is_dead: bool, now: Timestamp) -> Self {
        let Some(claim) = claim else { return Self::Allowed { after_loss: false } };
        let age = now.duration_since(claim.at);
        match claim.refusals {
            1.. if !is_online => Self::Over,
            _ if !access_is_dead => Self::Kept,
            0 if age < UNDER_WAY_FOR => Self::Kept,
            0 => Self::Allowed { after_loss: true },
            2.. if age < REFUSED_AGAIN_AFTER => Self::Over,
            1.. => Self::Allowed { after_loss: claim.after_loss },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(refusals: u8) -> RenewalClaim {
        RenewalClaim { refusals, ..RenewalClaim::new([1; 16], Timestamp::UNIX_EPOCH, false) }
    }

    fn after(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn a_refresh_token_that_nobody_has_tried_may_be_spent() {
        for dead in [false, true] {
            let spending = Spending::of(None, true, dead, after(0));
            assert_eq!(spending, Spending::Allowed { after_loss: false });
        }
    }

    #[test]
    fn what_may_be_spent_already_is_kept_while_the_access_token_lives_and_for_twenty_minutes() {
        let claim = claim(0);
        assert_eq!(Spending::of(Some(&claim), true, false, after(600)), Spending::Kept);
        assert_eq!(Spending::of(Some(&claim), true, true, after(19)), Spending::Kept);
        let late = Spending::of(Some(&claim), true, true, after(20));
        assert_eq!(late, Spending::Allowed { after_loss: true });
    }

    #[test]
    fn a_refusal_is_asked_about_once_more_and_after_that_every_six_hours() {
        let allowed = Spending::Allowed { after_loss: false };
        let spending = |refusals, minutes| Spending::of(Some(&claim(refusals)), true, true, after(minutes));
        assert_eq!((spending(1, 1), spending(2, 1)), (allowed, Spending::Over));
        assert_eq!(
            (spending(2, 359), spending(2, 360), spending(9, 360)),
            (Spending::Over, allowed, allowed)
        );
        assert_eq!(Spending::of(Some(&claim(1)), true, false, after(1)), Spending::Kept);
    }

    #[test]
    fn a_refusal_that_turned_a_connection_red_is_never_asked_about_again() {
        assert_eq!(Spending::of(Some(&claim(2)), false, true, after(60_000)), Spending::Over);
    }

    #[test]
    fn a_refusal_after_a_loss_says_so() {
        assert_eq!(claim(2).reason(), OfflineReason::TokenRejected);
        let lost = RenewalClaim { after_loss: true, ..claim(2) };
        assert_eq!(lost.reason(), OfflineReason::RenewalLost);
    }
}
