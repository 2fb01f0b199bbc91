//! Thirty days of a worker, under both flows of VK: merchants connect, revoke and reconnect, keys are rotated,
//! VK throttles and fails. The worker knows of every change once it is delivered, and has a token that works
//! wherever there can be one.

mod calendar;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use serde_json::json;

use crate::support::{ANNA, IVAN, LAVKA, ROMASHKA, Table, TestStack, text};
use crate::worker::{State, Work, Worker};
use calendar::{Event, MONTH};

/// Who has something to sync: a merchant, and the account at VK.
const MERCHANTS: [(&str, u64); 2] = [(ROMASHKA, ANNA), (LAVKA, IVAN)];

/// A product, its merchants and one worker.
struct World {
    test: TestStack,
    rows: Table,
    worker: Worker,
    heard: usize,
    keys: usize,
    /// Whether VK answers as it should.
    vk_is_well: bool,
    /// Accounts whose tokens VK refuses, until their owners have connected again.
    revoked: BTreeSet<usize>,
    /// What has come of working for each merchant in this hour.
    last: BTreeMap<&'static str, Option<Work>>,
}

impl World {
    async fn begin(flow: &str) -> Self {
        let test = TestStack::with_parameters([("VkFlow", flow), ("SweepEvery", "60")]).await;
        let (rows, worker) = (test.connections(), Worker::of(&test));
        let mut world = Self {
            test,
            rows,
            worker,
            heard: 0,
            keys: 1,
            vk_is_well: true,
            revoked: BTreeSet::new(),
            last: BTreeMap::new(),
        };
        world.connect(0).await;
        world
    }

    async fn connect(&mut self, number: usize) {
        let (user, account) = MERCHANTS[number];
        let page = self.test.merchant(user).await.connect(account).await;
        if page.path() == "/connections" {
            self.revoked.remove(&number);
        }
    }

    async fn happens(&mut self, event: Event) {
        let vk = self.test.stack.vk().clone();
        match event {
            Event::Connect(number) => self.connect(number).await,
            Event::Disconnect(number) => {
                drop(self.test.merchant(MERCHANTS[number].0).await.disconnect().await);
            }
            Event::Revoke(number) => {
                vk.revoke_tokens(MERCHANTS[number].1);
                self.revoked.insert(number);
            }
            Event::Ban(number, on) => vk.deactivate(MERCHANTS[number].1, on.then_some("banned")),
            Event::Fault(fault) => {
                vk.set_fault(fault);
                self.vk_is_well = fault == Fault::None;
            }
            Event::SlowDown(on) => {
                vk.set_switch(Switch::SlowDown, on);
                self.vk_is_well = !on;
            }
            Event::NewAddress => vk.change_address(),
            Event::LostAnswer => vk.lose_answers(1),
            Event::NewTokenKey => self.add_token_key(),
        }
    }

    fn add_token_key(&mut self) {
        self.keys += 1;
        let aws = self.test.stack.aws();
        let mut keys: serde_json::Value =
            serde_json::from_str(&aws.secret("local/token-keys").unwrap()).unwrap();
        keys["current"] = json!(self.keys.to_string());
        keys[self.keys.to_string()] = json!(format!("key number {} of thirty-two characters.", self.keys));
        aws.put_secret("local/token-keys", &keys.to_string());
    }

    /// An hour: the worker works at ten past, and after what happens at twenty past again. Wherever VK answers
    /// and a connection is in order from then on, the worker has had a token that works.
    async fn hour(&mut self, hour: usize, events: &[Event]) {
        self.last.clear();
        self.advance(10);
        self.work().await;
        self.advance(10);
        for event in events {
            self.last.clear();
            self.happens(*event).await;
            self.deliver().await;
        }
        let before = self.in_order();
        self.advance(20);
        self.work().await;
        self.advance(20);
        self.test.stack.sweeper().tick().await.unwrap();
        self.deliver().await;
        for user in before.intersection(&self.in_order()).filter(|_| self.vk_is_well) {
            assert_eq!(self.last[user], Some(Work::Done), "{user} on day {}, hour {}", hour / 24, hour % 24);
        }
    }

    fn advance(&self, minutes: i64) {
        self.test.clock.advance(SignedDuration::from_mins(minutes));
    }

    /// The worker works for whom it has not worked in this hour, and hears what came of it.
    async fn work(&mut self) {
        for (user, _) in MERCHANTS {
            if self.last.get(user) == Some(&Some(Work::Done)) {
                continue;
            }
            let work = self.worker.work(user).await;
            if matches!(work, Some(Work::NoToken(_))) {
                self.deliver().await;
            }
            self.last.insert(user, work);
        }
    }

    /// Whose connection works, as far as the product knows, and VK.
    fn in_order(&self) -> BTreeSet<&'static str> {
        let picture = self.worker.picture();
        let works = |user: &str| picture.get(user).is_some_and(|(_, state)| *state == State::Works);
        let users = MERCHANTS.iter().enumerate().filter(|(number, _)| !self.revoked.contains(number));
        users.map(|(_, (user, _))| *user).filter(|user| works(user)).collect()
    }

    /// Delivers what has changed, latest first, and with what was delivered before: then the worker's picture
    /// is the table.
    async fn deliver(&mut self) {
        let written = self.test.stack.deliver_changes().await.unwrap();
        let events = self.test.stack.aws().events();
        let repeated = self.heard.saturating_sub(5);
        events[repeated..].iter().rev().for_each(|event| self.worker.hear(event));
        self.heard = events.len();
        if written > 0 {
            assert_eq!(self.worker.picture(), self.table().await);
        }
    }

    async fn table(&self) -> BTreeMap<String, (String, State)> {
        let rows = self.rows.rows().await;
        let state = |row| match text(row, "offline_reason") {
            "" => State::Works,
            reason => State::Broken(reason.to_owned()),
        };
        let entry = |row| (text(row, "user_id").to_owned(), (text(row, "generation").to_owned(), state(row)));
        rows.iter().map(entry).collect()
    }
}

async fn thirty_days(flow: &str) -> World {
    let mut world = World::begin(flow).await;
    for hour in 0..30 * 24 {
        let now = MONTH.iter().filter(|(day, at, _)| day * 24 + at == hour);
        let events: Vec<_> = now.map(|(_, _, event)| *event).collect();
        world.hour(hour, &events).await;
    }
    world
}

/// What was broken, in order: whose, who found it out, and why.
fn broken(world: &World) -> Vec<[String; 3]> {
    let events = world.test.stack.aws().events().into_iter();
    let broken = events.filter(|event| event["DetailType"] == "Connection Broken");
    let said = |event: serde_json::Value| {
        ["user", "by", "reason"].map(|member| event["Detail"][member].as_str().unwrap().to_owned())
    };
    broken.map(said).collect()
}

#[tokio::test]
async fn a_worker_lives_through_a_month_of_the_classic_flow() {
    let world = thirty_days("classic").await;
    let expected = [
        [ROMASHKA, "worker", "token_rejected"],
        [LAVKA, "worker", "token_rejected"],
        [LAVKA, "worker", "token_rejected"],
        [ROMASHKA, "sweep", "account_unavailable"],
        [ROMASHKA, "worker", "token_rejected"],
        [LAVKA, "worker", "token_rejected"],
    ];
    assert_eq!(broken(&world), expected);
    assert_eq!(world.worker.reported().len(), 5, "each token that VK had refused");
}

#[tokio::test]
async fn a_worker_lives_through_a_month_of_vk_id() {
    let world = thirty_days("vk_id").await;
    let expected = [
        [ROMASHKA, "worker", "token_rejected"],
        [LAVKA, "worker", "token_rejected"],
        [LAVKA, "worker", "token_rejected"],
        [ROMASHKA, "sweep", "account_unavailable"],
        // Revoked while VK did not answer, and so taken for tokens that were lost.
        [ROMASHKA, "worker", "renewal_lost"],
        [ROMASHKA, "worker", "renewal_lost"],
        [LAVKA, "worker", "token_rejected"],
    ];
    assert_eq!(broken(&world), expected);
    assert_eq!(world.worker.reported().len(), 6, "each token that VK had refused before its time");
    assert_eq!(world.test.stack.vk().reuses(), 2, "after the lost answer, and to be sure of it");
}
