//! Random schedules, and what must hold in each.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evosync_connections::domain::Liveness;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, join};
use tokio::time::{Instant, sleep, timeout_at};

use crate::memory::Faults;
use crate::random::Random;
use crate::world::{Mode, PERIOD, RENEW_AFTER, World, delivery, on_virtual_time, tick, user};

/// So many deaths in one run are always believed.
const FEW: usize = 5;

/// Periods with faults, and quiet ones after them.
const STORMY: u32 = 4;
const QUIET: u32 = 3;

/// What a schedule is made of.
#[derive(Debug)]
struct Plan {
    rows: usize,
    segments: u32,
    kills: bool,
    store_fails: bool,
    /// The provider calls every token dead for as long as the storm lasts.
    all_dead: bool,
    tokens: Tokens,
}

/// What people connect under.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Tokens {
    Lasting,
    Renewed,
}

impl Plan {
    fn of(random: &Random) -> Self {
        let all_dead = random.one_in(4);
        Self {
            rows: 16 + usize::try_from(random.below(9)).unwrap(),
            segments: [0, 1, 2, 4][usize::try_from(random.below(4)).unwrap()],
            kills: random.one_in(2),
            store_fails: random.one_in(2),
            all_dead,
            tokens: if random.one_in(2) { Tokens::Renewed } else { Tokens::Lasting },
        }
    }
}

async fn schedule(seed: u64) -> Result<(), String> {
    let random = Random::of(seed ^ 0x5eed);
    let plan = Plan::of(&random);
    let world = World::of(seed, plan.rows, plan.segments, plan.tokens == Tokens::Renewed);
    let latency = [0, 20, 500][usize::try_from(random.below(3)).unwrap()];
    let one_in = |count| if plan.store_fails { count } else { 0 };
    world.store.tables().faults = Faults {
        fails: one_in(40),
        loses: one_in(40),
        fails_partly: one_in(30),
        latency: Duration::from_millis(latency),
        ..Faults::default()
    };
    if plan.all_dead {
        world.set_mode(Mode::AllDead);
    }
    // Each is polled only when it is woken, which `join!` does not see to.
    let mut storm = FuturesUnordered::from_iter([
        ticks(&world, &plan, &random).boxed_local(),
        people(&world, &plan, &random).boxed_local(),
        modes(&world, &plan, &random).boxed_local(),
    ]);
    storm.extend((0..3).map(|_| deliver(&world, &plan, &random).boxed_local()));
    storm.collect::<()>().await;
    world.set_mode(Mode::Truth);
    world.store.tables().faults = Faults::default();
    nobody_turned_red_by_mistake(&world)?;
    // Renewals that were refused more than once are not tried again before.
    sleep(if plan.tokens == Tokens::Renewed { Duration::from_hours(6) } else { Duration::ZERO }).await;
    for _ in 0..QUIET {
        sleep(PERIOD).await;
        world.sweep().await;
    }
    nobody_turned_red_by_mistake(&world)?;
    nobody_was_asked_about_twice(&world, &plan)?;
    everybody_is_known(&world)?;
    no_token_was_spent_needlessly(&world, &plan)
}

async fn ticks(world: &World, plan: &Plan, random: &Random) {
    for _ in 0..STORMY {
        sleep(PERIOD).await;
        let repeated = async {
            if random.one_in(3) {
                sleep(random.up_to(Duration::from_mins(1))).await;
                world.tick().await;
            }
        };
        let killed = killed_after(plan, random).filter(|_| plan.segments == 0);
        let event = tick();
        join!(world.invoke(&event, killed), repeated);
    }
}

fn killed_after(plan: &Plan, random: &Random) -> Option<Duration> {
    (plan.kills && random.one_in(3)).then(|| random.up_to(Duration::from_secs(4)))
}

/// A worker of the queue's mapping: late, and some messages twice.
async fn deliver(world: &World, plan: &Plan, random: &Random) {
    let storm = Instant::now() + PERIOD * (STORMY + 1);
    while Instant::now() < storm
        && let Ok(message) = timeout_at(storm, world.messages.next(random)).await
    {
        sleep(random.up_to(Duration::from_secs(40))).await;
        let event = delivery(&message);
        world.invoke(&event, killed_after(plan, random)).await;
        if random.one_in(4) {
            world.invoke(&event, None).await;
        }
    }
}

/// At most four people revoke, so that no guard trips rightly.
async fn people(world: &World, plan: &Plan, random: &Random) {
    let whose = || user(usize::try_from(random.below(u64::try_from(plan.rows).unwrap())).unwrap());
    for _ in 0..4 {
        sleep(random.up_to(PERIOD)).await;
        match random.below(if plan.all_dead { 2 } else { 5 }) {
            0 => world.disconnect(&whose()),
            1 => world.keys.rotate(),
            2 | 3 => world.revoke(&whose()),
            _ => world.connect(&whose()),
        }
    }
}

async fn modes(world: &World, plan: &Plan, random: &Random) {
    let modes: Vec<_> = Mode::ALL.into_iter().filter(|mode| *mode != Mode::AllDead).collect();
    for _ in 0..if plan.all_dead { 0 } else { 3 } {
        sleep(random.up_to(PERIOD)).await;
        world.set_mode(modes[usize::try_from(random.below(u64::try_from(modes.len()).unwrap())).unwrap()]);
    }
}

fn holds(what: &str, holds: bool, seen: &impl Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}: {seen:?}")) }
}

fn nobody_turned_red_by_mistake(world: &World) -> Result<(), String> {
    let turned_red = world.store.tables().turned_red.clone();
    let state = world.provider.state.lock().unwrap();
    let is_right = |name: String| state.revoked.contains(&name) || state.families.is_lost(&name);
    let mistaken: Vec<_> = turned_red
        .iter()
        .filter(|(key, generation)| !is_right(format!("{}/{generation}", key.user)))
        .collect();
    holds("red by mistake", mistaken.is_empty(), &mistaken)
}

/// Two conclusive answers about one token within four fifths of a period, beyond what was in flight at a
/// kill. Where the store fails, a verdict may not be recorded, and the question is asked again.
fn nobody_was_asked_about_twice(world: &World, plan: &Plan) -> Result<(), String> {
    if plan.store_fails {
        return Ok(());
    }
    let soon = (PERIOD * 4 / 5).saturating_sub(Duration::from_secs(2));
    let mut twice = Vec::new();
    for (token, answers) in world.asked() {
        let alive: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Liveness::Alive).collect();
        let pairs = alive.windows(2).filter(|pair| pair[1].0.saturating_sub(pair[0].0) < soon);
        twice.extend(pairs.map(|pair| (token.clone(), pair[0].0, pair[1].0)));
    }
    let kills = *world.kills.lock().unwrap();
    // Two pages are in work at once.
    holds("asked about twice", twice.len() <= kills * 14, &(kills, twice))
}

/// After quiet periods each connection is what it is, and was checked lately: nobody is starved.
fn everybody_is_known(world: &World) -> Result<(), String> {
    let rows: Vec<_> = world.store.tables().rows.values().cloned().collect();
    let now = world.clock.now();
    // So many lost tokens wait for an operator's word.
    let is_mass = rows.iter().filter(|row| world.is_over(row)).count() > FEW;
    for row in rows {
        let is_over = world.is_over(&row);
        let is_held = is_mass && is_over && row.last_attempt_result.as_deref() == Some("held");
        holds("state", is_held || row.connection.is_online != is_over, &row)?;
        if !is_over {
            let checked = row.connection.last_checked_at.unwrap();
            let age = Duration::try_from(now.duration_since(checked)).unwrap();
            let between_renewals = if row.connection.expiry.is_some() { RENEW_AFTER } else { Duration::ZERO };
            holds("checked lately", age < PERIOD * 2 + between_renewals, &(age, &row))?;
        }
    }
    Ok(())
}

/// A refresh token is used twice only where the first answer was lost, and no sooner than its time has come.
fn no_token_was_spent_needlessly(world: &World, plan: &Plan) -> Result<(), String> {
    let state = world.provider.state.lock().unwrap();
    let reuses = &state.families.needless_reuses;
    holds("spent twice", reuses.is_empty() || plan.store_fails || plan.kills, reuses)?;
    let soon = RENEW_AFTER.saturating_sub(Duration::from_secs(2));
    for (name, family) in &state.families.by_name {
        let pairs = family.renewed_at.windows(2);
        let mut early = pairs.filter(|pair| pair[1].saturating_sub(pair[0]) < soon);
        holds("renewed early", early.next().is_none(), &(name, &family.renewed_at))?;
    }
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn whatever_happens_nobody_turns_red_by_mistake_or_is_asked_about_twice_or_starved() {
    if std::env::var("CAMPAIGN_SEED").is_ok() {
        return on_virtual_time(schedule(number("CAMPAIGN_SEED", 0))).unwrap();
    }
    let count = number("CAMPAIGN_SCHEDULES", 10_000);
    let (next, failures) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count || failures.lock().unwrap().len() > 5 {
                        return;
                    }
                    if let Err(problem) = on_virtual_time(schedule(seed)) {
                        failures.lock().unwrap().insert(format!("CAMPAIGN_SEED={seed}: {problem}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}
