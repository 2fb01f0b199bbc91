//! `/vk`: one provider, connected or not, with what went wrong in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::texts::{self, Words};
use super::{DisplayTime, Page, Person, dashboard};
use crate::domain::{Connection, ErrorCode, Health, Provider};

/// A provider's page.
#[derive(Serialize)]
pub struct ProviderPage {
    person: Person,
    provider: &'static str,
    title: &'static str,
    error: Option<Words>,
    connection: Option<Connected>,
}

#[derive(Serialize)]
struct Connected {
    state: &'static str,
    trouble: Option<Words>,
    name: String,
    account_id: String,
    since: Option<DisplayTime>,
    checked: Option<DisplayTime>,
    expires: Option<DisplayTime>,
}

impl Page for ProviderPage {
    const TEMPLATE: &'static str = "provider.html";
}

impl ProviderPage {
    /// The page of a provider for a person who may have connected it.
    pub fn new(
        person: Person,
        provider: Provider,
        connection: Option<&Connection>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Self {
        Self {
            person,
            provider: provider.key(),
            title: texts::provider(provider),
            error: None,
            connection: connection.map(|connection| Connected::new(connection, now, zone)),
        }
    }

    /// The same page with the words of an error code, as the address gave it. A code outside the
    /// list gets general words; nothing of the address is shown.
    #[must_use]
    pub fn with_error(self, code: &str) -> Self {
        Self { error: Some(ErrorCode::from_code(code).map_or(texts::UNKNOWN_ERROR, texts::error)), ..self }
    }
}

impl Connected {
    fn new(connection: &Connection, now: Timestamp, zone: &TimeZone) -> Self {
        let health = connection.health(now);
        let display = |time: Option<Timestamp>| time.map(|time| DisplayTime::new(time, zone));
        Self {
            state: dashboard::state(health),
            trouble: match health {
                Health::Broken(reason) => Some(texts::offline(reason)),
                Health::Working | Health::Unverified => None,
            },
            name: connection.account.display_name(),
            account_id: connection.account.id.clone(),
            since: display(connection.connected_at),
            checked: display(connection.last_checked_at),
            expires: display(connection.expires_at),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{Account, OfflineReason, UserId};
    use crate::pages::render;

    pub(in crate::pages) fn now() -> Timestamp {
        "2026-11-22T04:16:00Z".parse().unwrap()
    }

    pub(in crate::pages) fn connection() -> Connection {
        Connection {
            user: UserId::parse("shop").unwrap(),
            provider: Provider::Vk,
            account: Account::new("1234567", "Иван <script>", "\u{202e}Петров"),
            is_online: true,
            offline_reason: None,
            connected_at: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            last_checked_at: Some("2026-11-22T04:10:00Z".parse().unwrap()),
            expires_at: None,
        }
    }

    fn page(connection: Option<&Connection>) -> ProviderPage {
        ProviderPage::new(Person::sample(), Provider::Vk, connection, now(), &TimeZone::UTC)
    }

    #[test]
    fn a_connected_account_is_shown_with_name_number_and_time() {
        let html = render(&page(Some(&connection()))).unwrap();
        for part in ["Подключено", "<code>1234567</code>", "20 ноября 2026, 08:00 UTC", "Переподключить"]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains("Отключить аккаунт ВКонтакте"));
        assert!(html.contains("Вернуться к подключениям"));
    }

    #[test]
    fn hostile_names_are_escaped_and_isolated() {
        let html = render(&page(Some(&connection()))).unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("<bdi>Иван &lt;script&gt;"), "{html}");
    }

    #[test]
    fn without_a_connection_the_person_is_told_what_it_is_for() {
        let html = render(&page(None)).unwrap();
        let asked = "Подключите ваш аккаунт ВКонтакте, чтобы система могла автоматически синхронизировать \
                     каталог товаров из Эвотор в вашу группу ВКонтакте.";
        assert!(html.contains(asked), "{html}");
        assert!(html.contains("Подключить ВКонтакте") && html.contains("Вернуться к подключениям"));
        assert!(!html.contains("Отключить аккаунт"));
    }

    #[test]
    fn a_broken_connection_says_why_and_what_to_do() {
        let reasons = [
            OfflineReason::TokenRejected,
            OfflineReason::TokenExpired,
            OfflineReason::AccountUnavailable,
            OfflineReason::ActionRequired,
            OfflineReason::PermissionMissing,
            OfflineReason::WrongTokenKind,
            OfflineReason::Unreadable,
        ];
        for reason in reasons {
            let broken = Connection { is_online: false, offline_reason: Some(reason), ..connection() };
            let html = render(&page(Some(&broken))).unwrap();
            assert!(html.contains(texts::offline(reason).title), "{reason:?}: {html}");
        }
    }

    #[test]
    fn an_expiring_token_says_until_when() {
        let expiring =
            Connection { expires_at: Some("2026-11-23T00:00:00Z".parse().unwrap()), ..connection() };
        assert!(render(&page(Some(&expiring))).unwrap().contains("23 ноября 2026, 00:00 UTC"));
    }

    #[test]
    fn an_unreadable_row_still_offers_the_way_out() {
        let unreadable = Connection::unreadable(UserId::parse("shop").unwrap(), Provider::Vk);
        assert!(render(&page(Some(&unreadable))).unwrap().contains("Переподключить"));
    }

    #[test]
    fn every_error_code_has_its_words_in_both_states() {
        for code in ErrorCode::ALL {
            for connection in [None, Some(&connection())] {
                let html = render(&page(connection).with_error(code.code())).unwrap();
                assert!(html.contains(texts::error(code).title), "{code:?}");
            }
        }
    }

    #[test]
    fn an_unknown_error_code_is_never_shown() {
        let html = render(&page(None).with_error("<script>canary")).unwrap();
        assert!(html.contains(texts::UNKNOWN_ERROR.title) && !html.contains("canary"));
    }
}
