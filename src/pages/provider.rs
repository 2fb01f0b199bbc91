//! `/vk`: one provider, connected or not, with what went wrong in words.

use jiff::Timestamp;
use serde::Serialize;

use super::badge::Badge;
use super::done::Told;
use super::texts::texts;
use super::{DisplayTime, Help, Page, Person, View};
use crate::domain::{Connection, ErrorCode, Health, Provider};
use crate::providers::{Message, Spoken};

/// What became of a connection that an attempt to make another left as it was: the key of the text. A broken one
/// speaks for itself.
fn kept(health: Health) -> Option<&'static str> {
    match health {
        Health::Working | Health::Expiring(_) => Some("kept-working"),
        Health::Unverified => Some("kept-unverified"),
        Health::Broken(_) => None,
    }
}

/// A provider's page.
#[derive(Serialize)]
pub struct ProviderPage {
    person: Person,
    /// The first part of the provider's addresses.
    key: &'static str,
    words: ProviderWords,
    /// What the person has just done.
    told: Option<Told>,
    error: Option<Error>,
    /// What became of the connection that there was before the error.
    kept: Option<&'static str>,
    connection: Option<Connected>,
    help: Help,
}

/// What the page says of the provider.
#[derive(Serialize)]
struct ProviderWords {
    title: String,
    icon: &'static str,
    invitation: String,
    steps: Vec<String>,
    /// What the person need not worry about.
    assurance: Option<String>,
    connect: String,
}

/// Why the last attempt to connect failed.
#[derive(Serialize)]
struct Error {
    /// Its code, where it is one of the list.
    code: Option<&'static str>,
    /// Whether nothing went wrong: the person has decided so.
    is_choice: bool,
    message: Message,
}

#[derive(Serialize)]
struct Connected {
    badges: Vec<Badge>,
    /// Whether it is for the person to do something.
    wants_person: bool,
    is_broken: bool,
    trouble: Option<Message>,
    /// What the account's name is the name of.
    name_of: String,
    name: Option<String>,
    /// What the provider calls the account's number.
    id_of: Option<String>,
    id: Option<String>,
    since: Option<DisplayTime>,
    checked: Option<DisplayTime>,
    broken_since: Option<DisplayTime>,
    expires: Option<DisplayTime>,
    has_expired: bool,
    granted: Option<String>,
    disconnect: String,
    confirm: Message,
    confirm_yes: String,
}

impl Page for ProviderPage {
    const TEMPLATE: &'static str = "provider.html";
}

impl ProviderPage {
    /// The page of a provider for a person who may have connected it.
    pub fn new(
        person: Person,
        (provider, words): (Provider, Spoken<'_>),
        connection: Option<&Connection>,
        view: &View,
    ) -> Self {
        let here = view.just_done.as_ref().filter(|just_done| just_done.provider == provider);
        Self {
            person,
            key: provider.key(),
            words: ProviderWords::new(words),
            told: here.and_then(|just_done| just_done.told(words, connection, false)),
            error: None,
            kept: connection.and_then(|connection| kept(connection.health(view.now, view.cadence))),
            connection: connection.map(|connection| Connected::new(words, connection, view)),
            help: view.help.clone(),
        }
    }

    /// The same page with the words of an error code, as the address gave it. A code outside the
    /// list gets general words; nothing of the address is shown.
    #[must_use]
    pub fn with_error(mut self, code: &str, words: Spoken<'_>, view: &View) -> Self {
        let known = ErrorCode::from_code(code);
        let message = match known {
            Some(code) => words.error(code),
            None => Message::of(texts(view.language), "error-unknown"),
        };
        // Another tab may have made the connection that there is now.
        if known == Some(ErrorCode::AttemptUsed) {
            self.kept = None;
        }
        // What broke the connection may be what keeps it from being made anew: it is said once.
        if let Some(connection) = &mut self.connection {
            connection.trouble.take_if(|trouble| trouble.title == message.title);
        }
        let is_choice = known == Some(ErrorCode::AccessDenied);
        let error = Some(Error { code: known.map(ErrorCode::code), is_choice, message });
        Self { error, told: None, ..self }
    }
}

impl ProviderWords {
    fn new(words: Spoken<'_>) -> Self {
        Self {
            title: words.text("title"),
            icon: words.icon(),
            invitation: words.text("invitation"),
            steps: words.steps(),
            assurance: words.assurance(),
            connect: words.text("connect"),
        }
    }
}

impl Connected {
    fn new(words: Spoken<'_>, connection: &Connection, view: &View) -> Self {
        let health = connection.health(view.now, view.cadence);
        let display = |time: Option<Timestamp>| time.map(|time| DisplayTime::new(time, view));
        Self {
            badges: badges(health),
            wants_person: matches!(health, Health::Broken(_) | Health::Expiring(_)),
            is_broken: matches!(health, Health::Broken(_)),
            trouble: match health {
                Health::Broken(reason) => Some(words.offline(reason)),
                Health::Expiring(_) => Some(Message::of(texts(view.language), "expiring")),
                Health::Unverified => Some(Message::of(texts(view.language), "unverified")),
                Health::Working => None,
            },
            name_of: words.text("account"),
            name: words.account(&connection.account),
            id_of: words.account_id(),
            id: connection.account.known_id(),
            since: display(connection.connected_at),
            checked: connection.last_checked_at.map(|time| DisplayTime::past(time, view)),
            // The end of the access says since when.
            broken_since: display(
                connection.broken_since(view.now).filter(|_| !connection.has_lapsed(view.now)),
            ),
            has_expired: connection.has_lapsed(view.now),
            // The end of a token that will be renewed is nobody's concern.
            expires: display(connection.expiry.filter(|expiry| !expiry.renewable).map(|expiry| expiry.at)),
            granted: granted(words, connection),
            disconnect: words.text("disconnect"),
            confirm: words.message("confirm"),
            confirm_yes: words.text("confirm-yes"),
        }
    }
}

/// What the merchant has granted, in words.
fn granted(words: Spoken<'_>, connection: &Connection) -> Option<String> {
    let names: Vec<_> = connection.scopes.as_ref()?.iter().filter_map(|name| words.scope(name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A connection that could not be checked lately is connected all the same, and the page says both.
fn badges(health: Health) -> Vec<Badge> {
    match health {
        Health::Working | Health::Broken(_) => vec![Badge::of(health)],
        Health::Expiring(_) | Health::Unverified => vec![Badge::CONNECTED, Badge::of(health)],
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::SignedDuration;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::{Account, Cadence, Expiry, OfflineReason, UserId};
    use crate::pages::render;
    use crate::providers::{Registered, Registry as _};
    use crate::texts::Language;

    fn words() -> Spoken<'static> {
        Registered.words(Provider::Vk).unwrap().spoken(Language::Russian)
    }

    fn rendered(page: &ProviderPage) -> String {
        render(page, Language::Russian).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-22T04:16:00Z".parse().unwrap()
    }

    pub(in crate::pages) fn view() -> View {
        View {
            now: now(),
            zone: TimeZone::UTC,
            cadence: Cadence {
                sweep: SignedDuration::from_mins(15),
                renewal: SignedDuration::from_hours(12),
            },
            language: Language::Russian,
            help: Help::new(None, "req-1"),
            just_done: None,
        }
    }

    pub(in crate::pages) fn connection() -> Connection {
        Connection {
            user: UserId::parse("shop").unwrap(),
            provider: Provider::Vk,
            account: Account::new("1234567", "Иван <script>", "\u{202e}Петров"),
            is_online: true,
            offline_reason: None,
            connected_at: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            updated_at: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            last_checked_at: Some("2026-11-22T04:10:00Z".parse().unwrap()),
            expiry: None,
            scopes: None,
        }
    }

    fn page(connection: Option<&Connection>) -> ProviderPage {
        ProviderPage::new(Person::sample(), (Provider::Vk, words()), connection, &view())
    }

    fn with_error(connection: Option<&Connection>, code: &str) -> ProviderPage {
        page(connection).with_error(code, words(), &view())
    }

    #[test]
    fn a_connected_account_is_shown_with_name_number_and_time() {
        let html = rendered(&page(Some(&connection())));
        for part in ["Подключено", "<code>1234567</code>", "20 ноября 2026, 08:00 UTC", "Переподключить"]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains("Отключить аккаунт ВКонтакте"));
        assert!(html.contains("Вернуться к подключениям"));
    }

    #[test]
    fn hostile_names_are_escaped_and_isolated() {
        let html = rendered(&page(Some(&connection())));
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("<bdi>Иван &lt;script&gt;"), "{html}");
    }

    #[test]
    fn without_a_connection_the_page_explains_what_it_is_for() {
        let html = rendered(&page(None));
        let asked = "Подключите ваш аккаунт ВКонтакте, чтобы система могла автоматически синхронизировать \
                     каталог товаров из Эвотор в вашу группу ВКонтакте.";
        assert!(html.contains(asked), "{html}");
        assert!(html.contains("Подключить ВКонтакте") && html.contains("Вернуться к подключениям"));
        assert!(!html.contains("Отключить аккаунт"));
    }

    #[test]
    fn a_broken_connection_says_why_and_what_to_do() {
        for reason in OfflineReason::ALL.iter().copied() {
            let broken = Connection { is_online: false, offline_reason: Some(reason), ..connection() };
            let html = rendered(&page(Some(&broken)));
            assert!(html.contains(&words().offline(reason).title), "{reason:?}: {html}");
        }
    }

    #[test]
    fn the_button_calls_for_the_person_only_where_there_is_something_to_do() {
        let button = |connection: &Connection| {
            let html = rendered(&page(Some(connection)));
            html.contains("class=\"btn btn-primary\" href=\"/vk/connect\"")
        };
        assert!(!button(&connection()));
        assert!(!button(&Connection { last_checked_at: None, ..connection() }));
        assert!(button(&Connection { is_online: false, ..connection() }));
        let at = now() + SignedDuration::from_hours(3);
        assert!(button(&Connection { expiry: Some(Expiry { at, renewable: false }), ..connection() }));
    }

    #[test]
    fn a_late_check_and_an_end_that_is_near_are_explained() {
        let html = |connection: &Connection| rendered(&page(Some(connection)));
        let late = html(&Connection { last_checked_at: None, ..connection() });
        assert!(late.contains("Проверка задерживается") && late.contains("Проверим снова автоматически"));
        let at = now() + SignedDuration::from_hours(3);
        let ending = html(&Connection { expiry: Some(Expiry { at, renewable: false }), ..connection() });
        assert!(
            ending.contains("Доступ скоро закончится") && ending.contains("Доступ действует до"),
            "{ending}"
        );
        let ended =
            html(&Connection { expiry: Some(Expiry { at: now(), renewable: false }), ..connection() });
        assert!(ended.contains("Доступ действовал до") && !ended.contains("Доступ действует"), "{ended}");
    }

    #[test]
    fn an_error_says_what_became_of_the_connection_that_there_was() {
        let html = |connection: Option<&Connection>, code: &str| rendered(&with_error(connection, code));
        let works = "Текущее подключение по-прежнему работает, ничего не изменилось.";
        assert!(html(Some(&connection()), "access_denied").contains(works));
        assert!(!html(None, "access_denied").contains("Текущее подключение"));
        assert!(!html(Some(&connection()), "attempt_used").contains("Текущее подключение"));
        let broken = Connection {
            is_online: false,
            offline_reason: Some(OfflineReason::PermissionMissing),
            ..connection()
        };
        let html = html(Some(&broken), "permission_missing");
        assert!(!html.contains("Текущее подключение"));
        assert_eq!(html.matches("Не хватает разрешений").count(), 1, "said once: {html}");
    }

    #[test]
    fn an_expiring_token_says_until_when() {
        let at = "2026-11-23T00:00:00Z".parse().unwrap();
        let expiring = Connection { expiry: Some(Expiry { at, renewable: false }), ..connection() };
        assert!(rendered(&page(Some(&expiring))).contains("23 ноября 2026, 00:00 UTC"));
    }

    #[test]
    fn an_unreadable_row_still_offers_the_way_out() {
        let unreadable = Connection::unreadable(UserId::parse("shop").unwrap(), Provider::Vk);
        assert!(rendered(&page(Some(&unreadable))).contains("Переподключить"));
    }

    #[test]
    fn every_error_code_has_its_words_in_both_states() {
        for code in ErrorCode::ALL.iter().copied() {
            for connection in [None, Some(&connection())] {
                let html = rendered(&with_error(connection, code.code()));
                assert!(html.contains(&words().error(code).title), "{code:?}");
            }
        }
    }

    #[test]
    fn an_unknown_error_code_is_never_shown() {
        let html = rendered(&with_error(None, "<script>canary"));
        let unknown = texts(Language::Russian).text("error-unknown");
        assert!(html.contains(&unknown) && !html.contains("canary"));
        assert!(ErrorCode::ALL.iter().all(|code| words().error(*code).title != unknown));
    }
}
