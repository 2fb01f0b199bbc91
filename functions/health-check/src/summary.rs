//! What a sweep found, in one line.

use evosync_connections::domain::{Liveness, Unknown};
use evosync_connections::store::Finding;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::check::Checked;

/// The counts of one sweep.
#[derive(Serialize, Default, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether every connection was reached before the deadline.
    pub finished: bool,
    /// Connections whose token works.
    pub alive: usize,
    /// Connections whose token does not.
    pub dead: usize,
    /// Of the dead, those that worked until now.
    pub broken: usize,
    /// Of the alive, those that did not work until now.
    pub recovered: usize,
    /// Checks that proved nothing for a passing reason.
    pub transient: usize,
    /// Checks that proved nothing for another reason.
    pub inconclusive: usize,
    /// Checks that VK refused for a reason of ours.
    pub our_fault: usize,
    /// Verdicts dropped, since the connection changed during the check.
    pub superseded: usize,
    /// Verdicts that could not be recorded.
    pub unrecorded: usize,
    /// Rows that are no connection this build can check.
    pub malformed: usize,
    /// When the connection waiting longest for a conclusive answer last had one, as the sweep left it.
    pub oldest_check: Option<Timestamp>,
}

impl Summary {
    pub(crate) fn count(&mut self, checked: &Checked) {
        match checked.liveness {
            Liveness::Alive => self.alive += 1,
            Liveness::Dead(_) => self.dead += 1,
            Liveness::Unknown(Unknown::Transient) => self.transient += 1,
            Liveness::Unknown(Unknown::Inconclusive) => self.inconclusive += 1,
            Liveness::Unknown(Unknown::OurFault) => self.our_fault += 1,
        }
        let recorded = match &checked.finding {
            Ok(Finding::Recorded) => true,
            Ok(Finding::Superseded) => {
                self.superseded += 1;
                false
            }
            Err(_) => {
                self.unrecorded += 1;
                false
            }
        };
        match checked.liveness {
            Liveness::Alive if recorded && !checked.was_online => self.recovered += 1,
            Liveness::Dead(_) if recorded && checked.was_online => self.broken += 1,
            Liveness::Unknown(_) => self.note_unanswered(checked.last_checked_at),
            _ => {}
        }
    }

    fn note_unanswered(&mut self, last_checked_at: Option<Timestamp>) {
        let last = last_checked_at.unwrap_or(Timestamp::UNIX_EPOCH);
        self.oldest_check = Some(self.oldest_check.map_or(last, |oldest| oldest.min(last)));
    }

    /// The sweep's line; an error where an operator must act.
    pub(crate) fn log(&self, duration: SignedDuration) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    seconds = duration.as_secs_f64(),
                    finished = self.finished,
                    alive = self.alive,
                    dead = self.dead,
                    broken = self.broken,
                    recovered = self.recovered,
                    transient = self.transient,
                    inconclusive = self.inconclusive,
                    our_fault = self.our_fault,
                    superseded = self.superseded,
                    unrecorded = self.unrecorded,
                    malformed = self.malformed,
                    oldest_check = self.oldest_check.map(tracing::field::display),
                    "sweep"
                )
            };
        }
        if self.our_fault > 0 || !self.finished { line!(error) } else { line!(info) }
    }
}
