//! How fast a provider is asked by a whole sweep.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use crate::memory::Faults;
use crate::world::{PERIOD, World, on_virtual_time};

const ROWS: usize = 40;

/// When a sweep's checks were answered.
fn answers_of_a_sweep(max_rps: Option<u32>, segments: u32, faults: Faults) -> Vec<Duration> {
    on_virtual_time(async {
        let world = World::new(7, ROWS, segments);
        world.store.tables().faults = faults;
        world.provider.state.lock().unwrap().max_rps = max_rps.map(|rps| NonZeroU32::new(rps).unwrap());
        sleep(PERIOD).await;
        world.sweep().await;
        let mut times: Vec<_> = world.asked().into_values().flatten().map(|(at, _)| at).collect();
        times.sort();
        assert_eq!(times.len(), ROWS);
        times
    })
}

/// The time from the first to the last answer.
fn time_of_a_sweep(max_rps: Option<u32>, segments: u32) -> Duration {
    let answers = answers_of_a_sweep(max_rps, segments, Faults::default());
    answers[ROWS - 1].saturating_sub(answers[0])
}

#[test]
fn checks_go_on_while_progress_is_written_down() {
    let checkpoint = Duration::from_secs(2);
    let answers = answers_of_a_sweep(Some(2), 0, Faults { checkpoint, ..Faults::default() });
    let pause = answers.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
    assert!(pause < checkpoint, "{pause:?}");
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
