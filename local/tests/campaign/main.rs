//! The sweep's fault campaign: many schedules of workers, people, faults and kills, on virtual time, over a
//! table in memory behind the same door as the real one. A seed gives one schedule, and always the same.
//!
//! `CAMPAIGN_SEED=<seed>` runs one schedule; `CAMPAIGN_SCHEDULES=<count>` runs that many.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on has failed")]

mod closing;
mod conformance;
mod families;
mod interleavings;
mod kills;
mod memory;
mod random;
mod rates;
mod schedules;
mod world;
