//! `/connections`: every provider with its state.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{DisplayTime, Page, Person, texts};
use crate::domain::{Connection, Health, Provider};

/// The dashboard.
#[derive(Serialize)]
pub struct Dashboard {
    person: Person,
    entries: Vec<Entry>,
}

/// One provider's line.
#[derive(Serialize)]
struct Entry {
    provider: &'static str,
    title: &'static str,
    state: &'static str,
    name: Option<String>,
    account_id: Option<String>,
    checked: Option<DisplayTime>,
}

impl Page for Dashboard {
    const TEMPLATE: &'static str = "connections.html";
}

impl Dashboard {
    /// The dashboard of a person's connections at `now`.
    pub fn new(person: Person, connections: &[Connection], now: Timestamp, zone: &TimeZone) -> Self {
        let entries = Provider::ALL.iter().map(|provider| {
            let connection = connections.iter().find(|connection| connection.provider == *provider);
            Entry::new(*provider, connection, now, zone)
        });
        Self { person, entries: entries.collect() }
    }
}

impl Entry {
    fn new(provider: Provider, connection: Option<&Connection>, now: Timestamp, zone: &TimeZone) -> Self {
        Self {
            provider: provider.key(),
            title: texts::provider(provider),
            state: connection.map_or("none", |connection| state(connection.health(now))),
            name: connection.map(|connection| connection.account.display_name()),
            account_id: connection.map(|connection| connection.account.id.clone()),
            checked: connection
                .and_then(|connection| connection.last_checked_at)
                .map(|time| DisplayTime::new(time, zone)),
        }
    }
}

/// The state's name in templates.
pub(super) fn state(health: Health) -> &'static str {
    match health {
        Health::Working => "working",
        Health::Unverified => "unverified",
        Health::Broken(_) => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OfflineReason;
    use crate::pages::provider::tests::{connection, now};
    use crate::pages::render;

    fn dashboard(connections: &[Connection]) -> String {
        render(&Dashboard::new(Person::sample(), connections, now(), &TimeZone::UTC)).unwrap()
    }

    #[test]
    fn each_state_has_its_colour_and_words() {
        let broken = Connection {
            is_online: false,
            offline_reason: Some(OfflineReason::TokenRejected),
            ..connection()
        };
        let unverified = Connection { last_checked_at: None, ..connection() };
        let states = [
            (vec![], "text-bg-secondary", "Не подключено"),
            (vec![connection()], "text-bg-success", "Работает"),
            (vec![broken], "text-bg-danger", "Нужно переподключить"),
            (vec![unverified], "text-bg-warning", "Давно не проверялось"),
        ];
        for (connections, colour, words) in states {
            let html = dashboard(&connections);
            assert!(html.contains(colour) && html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn a_connection_is_named_and_says_when_it_was_checked() {
        let html = dashboard(&[connection()]);
        assert!(html.contains("ВКонтакте"));
        assert!(html.contains("Иван &lt;script&gt;"), "{html}");
        assert!(html.contains("22 ноября 2026, 04:10 UTC"), "{html}");
        assert!(html.contains("href=\"/vk\""), "{html}");
    }

    #[test]
    fn the_header_greets_the_person_and_offers_to_sign_out() {
        let html = dashboard(&[]);
        assert!(html.contains("Анна &lt;b&gt;Петрова&lt;"), "{html}");
        assert!(html.contains("action=\"/logout\"") && html.contains("value=\"csrf-token\""), "{html}");
    }
}
