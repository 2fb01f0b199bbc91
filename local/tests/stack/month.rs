//! Thirty days of a connection under VK ID, hour by hour: whatever happens on the way, it is red only when its
//! tokens are lost.

use jiff::SignedDuration;
use local::vk::{Fault, Switch};
use serde_json::json;

use crate::support::{ANNA, ROMASHKA, TestStack, text};

/// What happens in an hour of the month.
enum Event {
    Fault(Fault),
    Switch(Switch, bool),
    NewTokenKey,
    NewAddress,
    NewServiceToken,
    ServiceTokenTold,
}

/// Day and hour, and what happens then. Each trouble lasts long enough to meet a renewal, which comes every
/// twelve or thirteen hours.
const MONTH: [(usize, usize, Event); 14] = [
    (2, 0, Event::Fault(Fault::Down)),
    (2, 15, Event::Fault(Fault::None)),
    (5, 0, Event::NewTokenKey),
    (8, 3, Event::NewAddress),
    (11, 0, Event::Switch(Switch::SlowDown, true)),
    (11, 14, Event::Switch(Switch::SlowDown, false)),
    (14, 0, Event::NewServiceToken),
    (14, 20, Event::ServiceTokenTold),
    (17, 0, Event::Fault(Fault::Garbled)),
    (17, 16, Event::Fault(Fault::None)),
    (20, 0, Event::Fault(Fault::Maintenance)),
    (20, 14, Event::Fault(Fault::None)),
    (23, 1, Event::NewAddress),
    (23, 2, Event::NewTokenKey),
];

struct Month {
    test: TestStack,
    keys: usize,
}

impl Month {
    async fn begin() -> Self {
        let test = TestStack::with_parameters([("VkFlow", "vk_id"), ("SweepEvery", "60")]).await;
        let month = Self { test, keys: 1 };
        month.connect().await;
        month
    }

    async fn connect(&self) {
        let page = self.test.merchant(ROMASHKA).await.connect(ANNA).await;
        assert_eq!(page.path(), "/connections");
    }

    fn happens(&mut self, event: &Event) {
        let (vk, aws) = (self.test.stack.vk(), self.test.stack.aws());
        match event {
            Event::Fault(fault) => vk.set_fault(*fault),
            Event::Switch(switch, on) => vk.set_switch(*switch, *on),
            Event::NewAddress => vk.change_address(),
            Event::NewServiceToken => vk.set_service_token("another"),
            Event::ServiceTokenTold => aws.put_secret("local/vk-service-token", "another"),
            Event::NewTokenKey => {
                self.keys += 1;
                let mut keys: serde_json::Value =
                    serde_json::from_str(&aws.secret("local/token-keys").unwrap()).unwrap();
                keys["current"] = json!(self.keys.to_string());
                keys[self.keys.to_string()] =
                    json!(format!("key number {} of thirty-two characters.", self.keys));
                aws.put_secret("local/token-keys", &keys.to_string());
            }
        }
    }

    async fn hour(&self) {
        self.test.clock.advance(SignedDuration::from_hours(1));
        self.test.stack.sweeper().tick().await.unwrap();
    }

    async fn reason(&self) -> Option<String> {
        let row = self.test.connections().row().await;
        (!*row["is_online"].as_bool().unwrap()).then(|| text(&row, "offline_reason").to_owned())
    }

    /// Goes on until a renewal is due in the next hour.
    async fn until_a_renewal(&self) {
        self.test.stack.vk().take_calls();
        while self.renewals() == 0 {
            self.hour().await;
        }
        for _ in 0..11 {
            self.hour().await;
        }
        assert_eq!(self.renewals(), 0);
    }

    fn renewals(&self) -> usize {
        let calls = self.test.stack.vk().take_calls();
        calls.iter().filter(|call| call.path == "/id/oauth2/auth").count()
    }
}

#[tokio::test]
async fn a_connection_lives_through_a_month_of_trouble_and_is_never_red() {
    let mut month = Month::begin().await;
    month.test.stack.vk().take_calls();
    for hour in 0..30 * 24 {
        for (day, at, event) in &MONTH {
            if day * 24 + at == hour {
                month.happens(event);
            }
        }
        month.hour().await;
        assert_eq!(month.reason().await, None, "day {}, hour {}", hour / 24, hour % 24);
    }
    let calls = month.test.stack.vk().take_calls();
    let renewals = calls.iter().filter(|call| call.path == "/id/oauth2/auth").count();
    // Fifty-five at their time, and a few in each trouble.
    assert!((50..120).contains(&renewals), "{renewals}");
    assert_eq!(month.test.stack.vk().reuses(), 0);
    let row = month.test.connections().row().await;
    assert!(!row.contains_key("renewal"));
    assert_eq!(row["access_token"].as_b().unwrap().as_ref()[2], b'3', "sealed with the newest key");
    let merchant = month.test.merchant(ROMASHKA).await;
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn lost_tokens_turn_it_red_and_a_reconnection_green() {
    let month = Month::begin().await;
    month.until_a_renewal().await;
    month.test.stack.vk().lose_answers(1);
    month.hour().await;
    assert_eq!(month.reason().await, None, "nobody knows yet");
    month.hour().await;
    assert_eq!(month.reason().await.as_deref(), Some("renewal_lost"));
    month.connect().await;
    month.until_a_renewal().await;
    assert_eq!(month.reason().await, None);
}

#[tokio::test]
async fn a_worker_that_is_killed_while_vk_answers_loses_the_tokens_and_no_more() {
    let month = Month::begin().await;
    month.until_a_renewal().await;
    month.test.stack.vk().hold_answers();
    month.test.clock.advance(SignedDuration::from_hours(1));
    tokio::select! {
        _ = month.test.stack.sweeper().tick() => panic!("VK holds its answer"),
        () = month.test.stack.vk().called(1) => {}
    }
    month.test.stack.vk().release_answers();
    assert_eq!(month.reason().await, None, "nobody knows yet");
    month.hour().await;
    assert_eq!(month.reason().await.as_deref(), Some("renewal_lost"));
    month.connect().await;
    month.hour().await;
    assert_eq!(month.reason().await, None);
}
