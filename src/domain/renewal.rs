//! When a refresh token may be spent.
//!
//! It is used once, and its provider takes a second use for theft. So a renewal is claimed in the
//! connection's row before it is sent, one at a time, and a claim whose outcome nobody knows stands in the way
//! of another until there is nothing left to lose.

use jiff::{SignedDuration, Timestamp};

use super::OfflineReason;

/// A renewal takes seconds. Whoever has not concluded an older claim is gone, and its outcome is unknown.
const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_mins(20);

/// A renewal that was begun and brought no new tokens so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenewalClaim {
    /// Random: names the renewal.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// Whether the provider has refused the refresh token.
    pub is_refused: bool,
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
    /// The provider refused the refresh token, and the connection is offline: there is nothing more to try.
    Over,
}

impl RenewalClaim {
    /// A claim that begins at `at`.
    pub fn new(random: [u8; 16], at: Timestamp, after_loss: bool) -> Self {
        Self { id: format!("{:032x}", u128::from_be_bytes(random)), at, is_refused: false, after_loss }
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
        let is_under_way = now.duration_since(claim.at) < UNDER_WAY_FOR;
        match claim.is_refused {
            true if !is_online => Self::Over,
            true if access_is_dead => Self::Allowed { after_loss: claim.after_loss },
            false if access_is_dead && !is_under_way => Self::Allowed { after_loss: true },
            _ => Self::Kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(is_refused: bool) -> RenewalClaim {
        RenewalClaim { is_refused, ..RenewalClaim::new([1; 16], Timestamp::UNIX_EPOCH, false) }
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
        let claim = claim(false);
        assert_eq!(Spending::of(Some(&claim), true, false, after(600)), Spending::Kept);
        assert_eq!(Spending::of(Some(&claim), true, true, after(19)), Spending::Kept);
        let late = Spending::of(Some(&claim), true, true, after(20));
        assert_eq!(late, Spending::Allowed { after_loss: true });
    }

    #[test]
    fn a_refusal_is_asked_again_until_it_is_believed() {
        let claim = claim(true);
        assert_eq!(Spending::of(Some(&claim), true, false, after(1)), Spending::Kept);
        let again = Spending::of(Some(&claim), true, true, after(1));
        assert_eq!(again, Spending::Allowed { after_loss: false });
        assert_eq!(Spending::of(Some(&claim), false, true, after(600)), Spending::Over);
    }

    #[test]
    fn a_refusal_after_a_loss_says_so() {
        assert_eq!(claim(true).reason(), OfflineReason::TokenRejected);
        let lost = RenewalClaim { after_loss: true, ..claim(true) };
        assert_eq!(lost.reason(), OfflineReason::RenewalLost);
    }
}
