//! A worker that is killed at any await point, and the sweep after it.

use std::pin::pin;
use std::task::Poll;

use futures_util::future::poll_fn;
use tokio::time::sleep;

use crate::world::{CONCURRENCY, PERIOD, RENEW_AFTER, World, on_virtual_time, user};

const ROWS: usize = 9;

/// Polls a future as often as asked, and drops it. Whether it has ended.
async fn killed_at(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// A sweep is killed at each of its await points in turn; the next two put everything right.
fn killed_at_each_point(segments: u32) {
    for polls in 1.. {
        let ended = on_virtual_time(async {
            let world = World::new(7, ROWS, segments);
            world.store.tables().faults.latency = std::time::Duration::from_millis(5);
            sleep(PERIOD).await;
            world.revoke(&user(3));
            let ended = killed_at(world.sweep(), polls).await;
            for _ in 0..2 {
                sleep(PERIOD).await;
                world.sweep().await;
            }
            let tables = world.store.tables();
            let red: Vec<_> = tables.rows.values().filter(|row| !row.connection.is_online).collect();
            assert_eq!(red.len(), 1, "killed at {polls}");
            assert_eq!(red[0].connection.user, user(3), "killed at {polls}");
            let attempted = tables.rows.values().filter(|row| row.last_attempt_by.is_some()).count();
            assert_eq!(attempted, ROWS, "killed at {polls}");
            ended
        });
        if ended {
            return;
        }
    }
}

#[test]
fn killed_at_any_await_point_a_worker_is_made_up_for() {
    killed_at_each_point(0);
}

#[test]
fn killed_at_any_await_point_a_worker_of_a_segment_is_made_up_for() {
    killed_at_each_point(2);
}

/// A sweep that renews is killed at each of its await points in turn. Tokens are lost only where the
/// provider's answer was under way; nobody else turns red, and whoever lost them does.
fn killed_at_each_point_of_renewing(segments: u32) {
    for polls in 1.. {
        let ended = on_virtual_time(async {
            let world = World::renewing(7, ROWS, segments);
            world.store.tables().faults.latency = std::time::Duration::from_millis(5);
            sleep(RENEW_AFTER).await;
            world.revoke(&user(3));
            let ended = killed_at(world.sweep(), polls).await;
            for _ in 0..4 {
                sleep(PERIOD).await;
                world.sweep().await;
            }
            let rows: Vec<_> = world.store.tables().rows.values().cloned().collect();
            for row in &rows {
                assert_eq!(row.connection.is_online, !world.is_over(row), "killed at {polls}: {row:?}");
            }
            assert!(rows.iter().filter(|row| world.is_over(row)).count() <= 1 + CONCURRENCY, "at {polls}");
            ended
        });
        if ended {
            return;
        }
    }
}

#[test]
fn killed_at_any_await_point_a_worker_that_renews_is_made_up_for() {
    killed_at_each_point_of_renewing(0);
}

#[test]
fn killed_at_any_await_point_a_worker_of_a_segment_that_renews_is_made_up_for() {
    killed_at_each_point_of_renewing(2);
}
