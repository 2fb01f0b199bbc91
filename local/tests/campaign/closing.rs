//! What the end of a run believes, and what workers learn from each other.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use crate::world::{Mode, PERIOD, World, on_virtual_time, user};

/// A world of so many connections, of which the first so many are revoked, after a period.
async fn revoked(rows: usize, revoked: usize) -> World {
    let world = World::new(7, rows, 1);
    world.provider.state.lock().unwrap().max_rps = NonZeroU32::new(10_000);
    for index in 0..revoked {
        world.revoke(&user(index));
    }
    sleep(PERIOD).await;
    world
}

fn turned_red(world: &World) -> usize {
    world.store.tables().turned_red.len()
}

/// A segment remembers 200. These are no mass: fewer than one in twenty.
#[test]
fn more_suspects_than_are_remembered_are_not_believed() {
    on_virtual_time(async {
        for (suspects, believed) in [(200, 200), (205, 0)] {
            let world = revoked(4_500, suspects).await;
            world.sweep().await;
            assert_eq!(turned_red(&world), believed, "{suspects}");
        }
    });
}

#[test]
fn a_mass_failure_is_let_through_as_long_as_an_operator_said() {
    on_virtual_time(async {
        for (allowed, passed, believed) in [(60, 30, 20), (60, 90, 0)] {
            let world = revoked(40, 20).await;
            world.sweep().await;
            assert_eq!(turned_red(&world), 0, "held back");
            world.store.allow_until(world.clock.now() + SignedDuration::from_mins(allowed));
            sleep(Duration::from_mins(passed)).await;
            world.sweep().await;
            assert_eq!(turned_red(&world), believed, "after {passed} of {allowed} minutes");
        }
    });
}

#[test]
fn a_worker_that_begins_learns_who_is_given_up() {
    on_virtual_time(async {
        let calls = async |segments| {
            let world = World::new(7, 60, segments);
            world.set_mode(Mode::Down);
            sleep(PERIOD).await;
            world.sweep().await;
            world.asked().into_values().flatten().count()
        };
        assert_eq!(calls(2).await, calls(1).await);
    });
}
