//! How fast a provider is asked by a whole sweep.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use crate::world::{PERIOD, World, on_virtual_time};

const ROWS: usize = 40;

/// The time from the first to the last answer of a sweep's checks.
fn time_of_a_sweep(max_rps: Option<u32>, segments: u32) -> Duration {
    on_virtual_time(async {
        let world = World::new(7, ROWS, segments);
        world.provider.state.lock().unwrap().max_rps = max_rps.map(|rps| NonZeroU32::new(rps).unwrap());
        sleep(PERIOD).await;
        world.sweep().await;
        let times: Vec<_> = world.asked().into_values().flatten().map(|(at, _)| at).collect();
        assert_eq!(times.len(), ROWS);
        times.iter().max().unwrap().saturating_sub(*times.iter().min().unwrap())
    })
}

#[test]
fn a_provider_with_a_bound_of_its_own_is_asked_no_faster() {
    for segments in [0, 2] {
        let bounded = time_of_a_sweep(Some(2), segments);
        assert!(bounded >= Duration::from_secs(18), "{segments}: {bounded:?}");
        let free = time_of_a_sweep(None, segments);
        assert!(free < Duration::from_secs(9), "{segments}: {free:?}");
    }
}
