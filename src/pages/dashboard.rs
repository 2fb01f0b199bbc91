//! `/connections`: every provider with its state.

use serde::Serialize;

use super::badge::Badge;
use super::done::Told;
use super::texts::texts;
use super::{DisplayTime, Page, Person, View};
use crate::domain::{Connection, Health, Provider};
use crate::providers::{PerProvider, Spoken, Words};
use crate::texts::Catalogue;

/// The dashboard.
#[derive(Serialize)]
pub struct Dashboard {
    person: Person,
    /// What the person has just done.
    told: Option<Told>,
    /// What goods wait for.
    needed: Option<String>,
    entries: Vec<Entry>,
}

/// One provider's line.
#[derive(Serialize)]
struct Entry {
    /// The first part of the provider's addresses.
    key: &'static str,
    title: String,
    icon: &'static str,
    badge: Badge,
    name: Option<String>,
    account_id: Option<String>,
    /// What an account would be good for.
    purpose: String,
    /// What there is to say of the account that is connected.
    line: Option<Line>,
}

/// What there is to say of a connection in one line.
#[derive(Serialize)]
struct Line {
    /// The key of the text.
    text: &'static str,
    /// The time in it.
    time: Option<DisplayTime>,
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
        view: &View,
    ) -> Self {
        let connection = |provider| connections.iter().find(|connection| connection.provider == provider);
        let spoken = words.map(|_, words| words.spoken(view.language));
        let entries = spoken.iter().map(|(key, words)| Entry::new(key, *words, connection(key), view));
        let needed = needed(&spoken, connection, view);
        let told = view.just_done.as_ref().and_then(|just_done| {
            let provider = just_done.provider;
            just_done.told(*spoken.get(provider)?, connection(provider), needed.is_some())
        });
        Self { person, told, needed, entries: entries.collect() }
    }
}

/// Goods go from one provider to another, so that all must work. Says what is to be done about those that are
/// missing or broken; where there is only one provider, its own entry says it.
fn needed<'a>(
    words: &PerProvider<Spoken<'_>>,
    connection: impl Fn(Provider) -> Option<&'a Connection>,
    view: &View,
) -> Option<String> {
    let (mut missing, mut broken) = (Vec::new(), Vec::new());
    for (provider, words) in words.iter() {
        match connection(provider).map(|connection| connection.health(view.now, view.cadence)) {
            None => missing.push(words.text("title")),
            Some(Health::Broken(_)) => broken.push(words.text("title")),
            Some(Health::Working | Health::Expiring(_) | Health::Unverified) => {}
        }
    }
    let texts = texts(view.language);
    let step = |key, titles| Some(texts.text_with(key, [("titles", all(texts, titles)?.into())]));
    let steps = [step("needed-connect", missing), step("needed-reconnect", broken)].into_iter().flatten();
    let steps = all(texts, steps.collect())?;
    (words.iter().count() > 1).then(|| texts.text_with("needed", [("steps", steps.into())]))
}

/// Things one after another; `None` for none.
fn all(texts: &Catalogue, things: Vec<String>) -> Option<String> {
    let and = |first: String, second: String| {
        texts.text_with("and", [("first", first.into()), ("second", second.into())])
    };
    things.into_iter().reduce(and)
}

impl Entry {
    fn new(provider: Provider, words: Spoken<'_>, connection: Option<&Connection>, view: &View) -> Self {
        Self {
            key: provider.key(),
            title: words.text("title"),
            icon: words.icon(),
            badge: connection.map_or(Badge::NOT_CONNECTED, |connection| {
                Badge::of(connection.health(view.now, view.cadence))
            }),
            name: connection.and_then(|connection| words.account(&connection.account)),
            account_id: words
                .account_id()
                .and(connection)
                .and_then(|connection| connection.account.known_id()),
            purpose: words.text("purpose"),
            line: connection.map(|connection| Line::about(connection, view)),
        }
    }
}

impl Line {
    fn about(connection: &Connection, view: &View) -> Self {
        let checked = connection.last_checked_at.map(|time| DisplayTime::past(time, view));
        let at = |time| DisplayTime::new(time, view);
        let (text, time) = match connection.health(view.now, view.cadence) {
            Health::Working => ("line-working", checked),
            Health::Expiring(end) => ("line-expiring", Some(at(end))),
            Health::Unverified if checked.is_none() => ("line-never-verified", None),
            Health::Unverified => ("line-unverified", checked),
            Health::Broken(_) => match connection.broken_since(view.now) {
                Some(since) => ("line-broken", Some(at(since))),
                None => ("line-broken-since-unknown", None),
            },
        };
        Self { text, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OfflineReason;
    use crate::pages::provider::tests::{connection, view};
    use crate::pages::render;
    use crate::providers::{Registered, Registry as _};
    use crate::texts::Language;

    fn dashboard(connections: &[Connection]) -> String {
        dashboard_of(&[Provider::Vk], connections)
    }

    fn dashboard_of(providers: &[Provider], connections: &[Connection]) -> String {
        let words =
            PerProvider::build(providers, |provider| Ok::<_, ()>(Registered.words(provider))).unwrap();
        render(&Dashboard::new(Person::sample(), &words, connections, &view()), Language::Russian).unwrap()
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
            (vec![unverified], "text-bg-warning", "Проверка задерживается"),
        ];
        for (connections, colour, words) in states {
            let html = dashboard(&connections);
            assert!(html.contains(colour) && html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn one_line_says_what_goods_wait_for() {
        let vk = connection;
        let evotor = || Connection { provider: Provider::Evotor, ..connection() };
        let broken = |connection| Connection { is_online: false, ..connection };
        let unverified = |connection| Connection { last_checked_at: None, ..connection };
        for (connections, line) in [
            (vec![], Some("подключите Эвотор и ВКонтакте.")),
            (vec![vk()], Some("подключите Эвотор.")),
            (vec![evotor()], Some("подключите ВКонтакте.")),
            (vec![evotor(), broken(vk())], Some("переподключите ВКонтакте.")),
            (vec![broken(evotor()), broken(vk())], Some("переподключите Эвотор и ВКонтакте.")),
            (vec![broken(evotor())], Some("подключите ВКонтакте и переподключите Эвотор.")),
            (vec![evotor(), vk()], None),
            (vec![evotor(), unverified(vk())], None),
        ] {
            let html = dashboard_of(Provider::ALL, &connections);
            match line {
                Some(line) => {
                    assert!(html.contains(&format!("Товары не синхронизируются: {line}")), "{line}: {html}");
                }
                None => assert!(!html.contains("не синхронизируются"), "{html}"),
            }
        }
    }

    #[test]
    fn with_one_provider_its_entry_says_it_all() {
        assert!(!dashboard(&[]).contains("не синхронизируются"));
    }

    #[test]
    fn goods_come_from_the_first_entry() {
        let html = dashboard_of(Provider::ALL, &[]);
        assert!(html.find("href=\"/evotor\"").unwrap() < html.find("href=\"/vk\"").unwrap(), "{html}");
    }

    #[test]
    fn an_account_without_a_number_of_its_own_is_shown_by_name_alone() {
        let html = dashboard_of(Provider::ALL, &[Connection { provider: Provider::Evotor, ..connection() }]);
        assert!(html.contains("Иван &lt;script&gt;") && !html.contains("<code>"), "{html}");
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
