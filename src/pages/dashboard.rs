//! `/connections`: every provider with its state.

use serde::Serialize;

use super::badge::Badge;
use super::done::Told;
use super::{DisplayTime, JustDone, Page, Person, View};
use crate::domain::{Connection, Health, Provider};
use crate::providers::{PerProvider, Words};

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
    title: &'static str,
    icon: &'static str,
    badge: Badge,
    name: Option<String>,
    account_id: Option<String>,
    line: Line,
}

/// What there is to say of a connection in one line, around a time.
#[derive(Serialize)]
struct Line {
    before: &'static str,
    time: Option<DisplayTime>,
    after: &'static str,
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
        let connection = |provider| connections.iter().find(|connection| connection.provider == provider);
        let entries = words.iter().map(|(key, words)| Entry::new(key, words, connection(key), view));
        Self { person, told: None, needed: needed(words, connection, view), entries: entries.collect() }
    }

    /// The same page, which tells what the person has just done.
    #[must_use]
    pub fn telling(
        self,
        just_done: Option<JustDone>,
        words: &PerProvider<&'static Words>,
        connections: &[Connection],
    ) -> Self {
        let told = just_done.and_then(|just_done| {
            let connection = connections.iter().find(|connection| connection.provider == just_done.provider);
            just_done.told(words.get(just_done.provider)?, connection, self.needed.is_some())
        });
        Self { told, ..self }
    }
}

/// Goods go from one provider to another, so that all must work. Says what is to be done about those that are
/// missing or broken; where there is only one provider, its own entry says it.
fn needed<'a>(
    words: &PerProvider<&'static Words>,
    connection: impl Fn(Provider) -> Option<&'a Connection>,
    view: &View<'_>,
) -> Option<String> {
    let (mut missing, mut broken) = (Vec::new(), Vec::new());
    for (provider, words) in words.iter() {
        match connection(provider).map(|connection| connection.health(view.now, view.cadence)) {
            None => missing.push(words.title),
            Some(Health::Broken(_)) => broken.push(words.title),
            Some(Health::Working | Health::Expiring(_) | Health::Unverified) => {}
        }
    }
    let steps: Vec<_> = [("подключите", missing), ("переподключите", broken)]
        .into_iter()
        .filter(|(_, titles)| !titles.is_empty())
        .map(|(verb, titles)| format!("{verb} {}", titles.join(" и ")))
        .collect();
    let one_of_several = words.iter().count() > 1 && !steps.is_empty();
    one_of_several.then(|| format!("Товары не синхронизируются: {}.", steps.join(" и ")))
}

impl Entry {
    fn new(provider: Provider, words: &Words, connection: Option<&Connection>, view: &View<'_>) -> Self {
        Self {
            key: provider.key(),
            title: words.title,
            icon: words.icon,
            badge: connection.map_or(Badge::NOT_CONNECTED, |connection| {
                Badge::of(connection.health(view.now, view.cadence))
            }),
            name: connection.and_then(|connection| connection.account.known_name()),
            account_id: words.account_id.and(connection).and_then(|connection| connection.account.known_id()),
            line: connection.map_or(Line::of(words.purpose), |connection| Line::about(connection, view)),
        }
    }
}

impl Line {
    fn of(text: &'static str) -> Self {
        Self { before: text, time: None, after: "" }
    }

    fn about(connection: &Connection, view: &View<'_>) -> Self {
        let checked = connection.last_checked_at.map(|time| DisplayTime::past(time, view));
        match connection.health(view.now, view.cadence) {
            Health::Working => {
                Self { before: "Работает, проверено", time: checked, after: "" }
            }
            Health::Expiring(at) => Self {
                before: "Доступ действует до",
                time: Some(DisplayTime::new(at, view.zone)),
                after: ". Переподключите аккаунт заранее",
            },
            Health::Unverified if checked.is_none() => Self::of("Ещё не проверялось. Ничего делать не нужно"),
            Health::Unverified => {
                Self {
                    before: "Последняя проверка", time: checked, after: ". Ничего делать не нужно"
                }
            }
            Health::Broken(_) => match connection.broken_since(view.now) {
                Some(since) => Self {
                    before: "Не работает с",
                    time: Some(DisplayTime::new(since, view.zone)),
                    after: ". Откройте, чтобы исправить",
                },
                None => Self::of("Не работает. Откройте, чтобы исправить"),
            },
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
        dashboard_of(&[Provider::Vk], connections)
    }

    fn dashboard_of(providers: &[Provider], connections: &[Connection]) -> String {
        let words =
            PerProvider::build(providers, |provider| Ok::<_, ()>(Registered.words(provider))).unwrap();
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
