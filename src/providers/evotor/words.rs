//! What pages say of Evotor, in Russian.

use crate::domain::{Account, ErrorCode, OfflineReason};
use crate::providers::{Message, Words, common_words as common};
use crate::russian::plural;

pub(super) static WORDS: Words = Words {
    title: "Эвотор",
    icon: include_str!("icon.svg").trim_ascii_end(),
    account: "Магазины",
    account_id: None,
    purpose: "Подключите аккаунт, чтобы товары из ваших магазинов попадали в вашу группу",
    invitation: "Подключите ваш аккаунт Эвотор, чтобы система могла получать каталог товаров ваших магазинов.",
    steps: &[
        "Вы перейдёте на страницу Эвотор, чтобы установить приложение EvoSync и подтвердить доступ.",
        "После подтверждения всё остальное настроится автоматически.",
        "Вы можете отключить аккаунт в любой момент.",
    ],
    connect: "Подключить Эвотор",
    disconnect: "Отключить аккаунт Эвотор",
    scope: |_| None,
    error,
    offline,
};

/// The longest text that [`shops`] makes, in characters: what an account's name keeps.
const LONGEST: usize = Account::MAX_NAME;

/// The shops of an account, by number and name: as many names as fit.
pub(super) fn shops(names: &[&str], more: bool) -> String {
    let count = names.len();
    let shops = |forms| plural(u64::try_from(count).unwrap_or(u64::MAX), forms);
    let number = match (count, more) {
        (0, _) => return "Магазинов пока нет".to_owned(),
        (_, true) => format!("Больше {count} {}", shops(["магазина", "магазинов", "магазинов"])),
        (_, false) => format!("{count} {}", shops(["магазин", "магазина", "магазинов"])),
    };
    let known: Vec<String> = names.iter().map(|name| plain(name)).filter(|name| !name.is_empty()).collect();
    let full = format!("{number}: {}", known.join(", "));
    match known.as_slice() {
        [] => number,
        _ if !more && known.len() == count && full.chars().count() <= LONGEST => full,
        [first, others @ ..] => with_others(format!("{number}: {first}"), others),
    }
}

/// The names that fit, and that there are others.
fn with_others(mut text: String, names: &[String]) -> String {
    const OTHERS: &str = " и другие";
    let room = LONGEST - OTHERS.chars().count();
    for name in names {
        let longer = format!("{text}, {name}");
        if longer.chars().count() > room {
            break;
        }
        text = longer;
    }
    text.chars().take(room).chain(OTHERS.chars()).collect()
}

/// A name without spaces around it and without what would change how the words beside it read (Unicode, UAX #9:
/// explicit directional formatting characters).
fn plain(name: &str) -> String {
    let directs = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().filter(|c| !directs(*c)).collect::<String>().trim().to_owned()
}

fn error(code: ErrorCode) -> Message {
    match code {
        ErrorCode::InvalidState => common::INVALID_STATE,
        ErrorCode::AttemptExpired => common::ATTEMPT_EXPIRED,
        ErrorCode::AttemptUsed => common::ATTEMPT_USED,
        ErrorCode::TooManyAttempts => common::TOO_MANY_ATTEMPTS,
        ErrorCode::SessionExpired => common::SESSION_EXPIRED,
        ErrorCode::AccessDenied => Message::new(
            "Вы отказали в доступе",
            "Подключение отменено на странице Эвотора. Если передумали, начните заново и разрешите доступ.",
        ),
        ErrorCode::ProviderError => Message::new(
            "Эвотор прервал подключение",
            "Попробуйте ещё раз. Если ошибка повторится, обратитесь в поддержку EvoSync.",
        ),
        ErrorCode::ProviderUnavailable => {
            Message::new("Эвотор сейчас не отвечает", "Подождите несколько минут и попробуйте ещё раз.")
        }
        ErrorCode::AppRejected => Message::new(
            "Эвотор не принимает запросы EvoSync",
            "Это неполадка на нашей стороне, мы уже знаем о ней. Попробуйте позже.",
        ),
        ErrorCode::TokenExchange => Message::new(
            "Эвотор не подтвердил подключение",
            "Скорее всего, код подтверждения устарел. Начните подключение заново.",
        ),
        ErrorCode::NoToken => Message::new(
            "Эвотор не выдал доступ",
            "Ответ пришёл без ключа доступа. Начните подключение заново.",
        ),
        ErrorCode::Profile => Message::new(
            "Не удалось узнать, какие магазины есть в аккаунте Эвотор",
            "Попробуйте ещё раз через несколько минут.",
        ),
        ErrorCode::AccountUnavailable => Message::new(
            "Этот аккаунт Эвотор недоступен",
            "Проверьте его в личном кабинете Эвотор или подключите другой аккаунт.",
        ),
        ErrorCode::ActionRequired => Message::new(
            "Эвотор просит подтвердить действия в аккаунте",
            "Откройте личный кабинет Эвотор, выполните то, о чём он просит, и подключите аккаунт снова.",
        ),
        ErrorCode::PermissionMissing => Message::new(
            "Эвотор не даёт доступ к магазинам",
            "Откройте приложение EvoSync в личном кабинете Эвотор, разрешите ему доступ к магазинам и товарам и подключите аккаунт снова.",
        ),
        ErrorCode::Storage => common::STORAGE,
    }
}

fn offline(reason: OfflineReason) -> Message {
    match reason {
        OfflineReason::TokenRejected => Message::new(
            "Эвотор больше не принимает доступ",
            "Скорее всего, приложение EvoSync удалено из личного кабинета Эвотор. Нажмите «Переподключить».",
        ),
        OfflineReason::TokenExpired => common::TOKEN_EXPIRED,
        OfflineReason::AccountUnavailable => Message::new(
            "Аккаунт Эвотор недоступен",
            "Проверьте его в личном кабинете Эвотор или подключите другой аккаунт.",
        ),
        OfflineReason::ActionRequired => Message::new(
            "Эвотор просит подтвердить действия в аккаунте",
            "Откройте личный кабинет Эвотор, выполните то, о чём он просит, и нажмите «Переподключить».",
        ),
        OfflineReason::PermissionMissing => Message::new(
            "Эвотор не даёт доступ к магазинам",
            "Откройте приложение EvoSync в личном кабинете Эвотор, разрешите ему доступ к магазинам и товарам и нажмите «Переподключить».",
        ),
        OfflineReason::WrongTokenKind => Message::new(
            "Этот доступ не подходит для синхронизации",
            "Нажмите «Переподключить» и войдите в аккаунт владельца магазинов.",
        ),
        OfflineReason::RenewalLost => Message::new(
            "Продлить доступ не удалось",
            "Ответ Эвотор не дошёл до нас. Нажмите «Переподключить», чтобы получить новый доступ.",
        ),
        OfflineReason::Unreadable => common::UNREADABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn shops_are_counted_and_named() {
        assert_eq!(shops(&[], false), "Магазинов пока нет");
        assert_eq!(shops(&["Ромашка"], false), "1 магазин: Ромашка");
        assert_eq!(shops(&["Лавка на Мира", " Склад "], false), "2 магазина: Лавка на Мира, Склад");
        assert_eq!(shops(&["Лавка", " "], false), "2 магазина: Лавка и другие");
        assert_eq!(shops(&["", ""], false), "2 магазина");
        assert_eq!(shops(&["\u{202e}Склад", "\u{2067}Лавка"], false), "2 магазина: Склад, Лавка");
        assert_eq!(shops(&["Лавка"; 21][..1], true), "Больше 1 магазина: Лавка и другие");
    }

    #[test]
    fn the_number_agrees_with_its_noun() {
        let counted = |count| shops(&vec![""; count], false);
        for (count, text) in [
            (1, "1 магазин"),
            (4, "4 магазина"),
            (5, "5 магазинов"),
            (11, "11 магазинов"),
            (14, "14 магазинов"),
            (21, "21 магазин"),
            (22, "22 магазина"),
            (100, "100 магазинов"),
            (111, "111 магазинов"),
        ] {
            assert_eq!(counted(count), text);
        }
        assert_eq!(shops(&[""; 21], true), "Больше 21 магазина");
        assert_eq!(shops(&[""; 100], true), "Больше 100 магазинов");
    }

    #[test]
    fn names_that_do_not_fit_are_others() {
        let text = shops(&["Магазин на углу"; 12], false);
        assert_eq!(text.chars().count(), 89, "{text}");
        assert!(text.starts_with("12 магазинов: Магазин на углу, ") && text.ends_with(" и другие"), "{text}");
        let long = "я".repeat(500);
        assert_eq!(shops(&[&long], false).chars().count(), LONGEST);
    }

    #[test]
    fn every_error_and_every_reason_says_something_of_its_own() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| error(*code)).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        let texts: HashSet<_> = OfflineReason::ALL.iter().map(|reason| offline(*reason)).collect();
        assert_eq!(texts.len(), OfflineReason::ALL.len());
    }
}
