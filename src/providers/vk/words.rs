//! What pages say of VK, in Russian.

use crate::domain::{ErrorCode, OfflineReason};
use crate::providers::{Message, Words, common_words as common};

pub(super) static WORDS: Words = Words {
    title: "ВКонтакте",
    icon: include_str!("icon.svg").trim_ascii_end(),
    account: "Профиль",
    account_id: Some("VK ID"),
    purpose: "Подключите аккаунт, чтобы товары из Эвотора появлялись в вашей группе",
    invitation: "Подключите ваш аккаунт ВКонтакте, чтобы система могла автоматически синхронизировать каталог \
                 товаров из Эвотор в вашу группу ВКонтакте.",
    steps: &[
        "Вы перейдёте на страницу ВКонтакте, чтобы подтвердить доступ.",
        "После подтверждения всё остальное настроится автоматически.",
        "Вы можете отключить аккаунт в любой момент.",
    ],
    connect: "Подключить ВКонтакте",
    disconnect: "Отключить аккаунт ВКонтакте",
    scope,
    error,
    offline,
};

fn scope(name: &str) -> Option<&'static str> {
    match name {
        "market" => Some("товары"),
        "groups" => Some("сообщества"),
        "photos" => Some("фотографии"),
        "wall" => Some("стена"),
        _ => None,
    }
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
            "Подключение отменено на странице ВКонтакте. Если передумали, начните заново и разрешите доступ.",
        ),
        ErrorCode::ProviderError => Message::new(
            "ВКонтакте прервал подключение",
            "Попробуйте ещё раз. Если ошибка повторится, обратитесь в поддержку EvoSync.",
        ),
        ErrorCode::ProviderUnavailable => {
            Message::new("ВКонтакте сейчас не отвечает", "Подождите несколько минут и попробуйте ещё раз.")
        }
        ErrorCode::AppRejected => Message::new(
            "ВКонтакте не принимает запросы EvoSync",
            "Это неполадка на нашей стороне, мы уже знаем о ней. Попробуйте позже.",
        ),
        ErrorCode::TokenExchange => Message::new(
            "ВКонтакте не подтвердил подключение",
            "Скорее всего, код подтверждения устарел. Начните подключение заново.",
        ),
        ErrorCode::NoToken => Message::new(
            "ВКонтакте не выдал доступ",
            "Ответ пришёл без ключа доступа. Начните подключение заново.",
        ),
        ErrorCode::Profile => Message::new(
            "Не удалось узнать, чей это аккаунт ВКонтакте",
            "Попробуйте ещё раз через несколько минут.",
        ),
        ErrorCode::AccountUnavailable => Message::new(
            "Этот аккаунт ВКонтакте заблокирован или удалён",
            "Восстановите его на vk.com или подключите другой аккаунт.",
        ),
        ErrorCode::ActionRequired => Message::new(
            "ВКонтакте просит подтвердить действия в аккаунте",
            "Откройте vk.com, выполните то, о чём он просит, и подключите аккаунт снова.",
        ),
        ErrorCode::PermissionMissing => Message::new(
            "Не хватает разрешений",
            "Для синхронизации нужен доступ к товарам и сообществам. Подключите аккаунт снова и разрешите всё, о чём попросит ВКонтакте. Если вы всё разрешили, ВКонтакте ещё не одобрил его для EvoSync: обратитесь в поддержку EvoSync.",
        ),
        ErrorCode::Storage => common::STORAGE,
    }
}

fn offline(reason: OfflineReason) -> Message {
    match reason {
        OfflineReason::TokenRejected => Message::new(
            "ВКонтакте больше не принимает доступ",
            "Он отозван или пароль был изменён. Нажмите «Переподключить».",
        ),
        OfflineReason::TokenExpired => common::TOKEN_EXPIRED,
        OfflineReason::AccountUnavailable => Message::new(
            "Аккаунт ВКонтакте заблокирован или удалён",
            "Восстановите его на vk.com или подключите другой аккаунт.",
        ),
        OfflineReason::ActionRequired => Message::new(
            "ВКонтакте просит подтвердить действия в аккаунте",
            "Откройте vk.com, выполните то, о чём он просит, и нажмите «Переподключить».",
        ),
        OfflineReason::PermissionMissing => Message::new(
            "Не хватает разрешений",
            "Нажмите «Переподключить» и разрешите доступ к товарам и сообществам. Если вы всё разрешили, ВКонтакте ещё не одобрил его для EvoSync: обратитесь в поддержку EvoSync.",
        ),
        OfflineReason::WrongTokenKind => Message::new(
            "Этот доступ не подходит для синхронизации",
            "Нажмите «Переподключить» и войдите в личный аккаунт, который управляет сообществом.",
        ),
        OfflineReason::RenewalLost => Message::new(
            "Продлить доступ не удалось",
            "Ответ ВКонтакте не дошёл до нас. Нажмите «Переподключить», чтобы получить новый доступ.",
        ),
        OfflineReason::Unreadable => common::UNREADABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_error_says_something_of_its_own() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| error(*code)).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        assert!(texts.iter().all(|message| !message.title.is_empty() && !message.advice.is_empty()));
    }

    #[test]
    fn every_reason_says_something_of_its_own() {
        let texts: HashSet<_> = OfflineReason::ALL.iter().map(|reason| offline(*reason)).collect();
        assert_eq!(texts.len(), OfflineReason::ALL.len());
    }
}
