//! `/connections`: every provider with its state.

use serde::Serialize;

use super::badge::Badge;
use super::{DisplayTime, Page, Person, View};
use crate::domain::{Connection, Provider};
use crate::providers::{PerProvider, Words};

/// The dashboard.
#[derive(Serialize)]
pub struct Dashboard {
    person: Person,
    entries: Vec<Entry>,
}

/// One provider's line.
#[derive(Serialize)]
struct Entry {
    /// The first part of the provider's addresses.
    key: &'static str,
    title: &'static str,
    icon: &'static str,
    badge: Badge,
    name: Option<String>,
    account_id: Option<String>,
    checked: Option<DisplayTime>,
}

impl Page for Dashboard {
    const TEMPLATE: &'static str = "connections.html";
}

impl Dashboard {
    /// The dashboard of a person's connections to the configured providers.
    pub fn new(
        person: Person,
        words: &PerProvider<&'static Words>,
        connections: &[Connection],
        view: &View<'_>,
    ) -> Self {
        let entries = words.iter().map(|(provider, words)| {
            let connection = connections.iter().find(|connection| connection.provider == provider);
            Entry::new(provider, words, connection, view)
        });
        Self { person, entries: entries.collect() }
    }
}

impl Entry {
    fn new(provider: Provider, words: &Words, connection: Option<&Connection>, view: &View<'_>) -> Self {
        let checked = connection.and_then(|connection| connection.last_checked_at);
        Self {
            key: provider.key(),
            title: words.title,
            icon: words.icon,
            badge: connection.map_or(Badge::NOT_CONNECTED, |connection| {
                Badge::of(connection.health(view.now, view.cadence))
            }),
            name: connection.map(|connection| connection.account.display_name()),
            account_id: connection.map(|connection| connection.account.id.clone()),
            checked: checked.map(|time| DisplayTime::new(time, view.zone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OfflineReason;
    use crate::pages::provider::tests::{connection, view};
    use crate::pages::render;
    use crate::providers::{Registered, Registry as _};

    fn dashboard(connections: &[Connection]) -> String {
        let words = PerProvider::build(|provider| Ok::<_, ()>(Registered.words(provider))).unwrap();
        render(&Dashboard::new(Person::sample(), &words, connections, &view())).unwrap()
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
            (vec![connection()], "text-bg-success", "Подключено"),
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
