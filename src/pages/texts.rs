//! Russian words for what the domain knows by code.

use serde::Serialize;

use crate::domain::{ErrorCode, OfflineReason, Provider};

/// A heading and what to do next.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
}

const fn words(title: &'static str, advice: &'static str) -> Words {
    Words { title, advice }
}

/// The provider's name.
pub(super) fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Vk => "ВКонтакте",
    }
}

/// Why connecting failed.
pub(super) fn error(code: ErrorCode) -> Words {
    match code {
        ErrorCode::InvalidState => words(
            "Не удалось подтвердить попытку подключения",
            "Она начата в другом браузере или сеансе либо неизвестна. Начните подключение заново с этой страницы.",
        ),
        ErrorCode::AttemptExpired => words(
            "Время на подключение истекло",
            "На подтверждение даётся 10 минут. Начните подключение заново.",
        ),
        ErrorCode::AttemptUsed => words(
            "Эта попытка подключения уже завершена",
            "Проверьте состояние подключения ниже. Если аккаунт не подключён, начните заново.",
        ),
        ErrorCode::TooManyAttempts => {
            words("Слишком много действий подряд", "Подождите минуту и попробуйте ещё раз.")
        }
        ErrorCode::SessionExpired => words(
            "Сеанс завершился раньше, чем подключение",
            "Вы снова вошли в систему — начните подключение заново.",
        ),
        ErrorCode::AccessDenied => words(
            "Вы отказали в доступе",
            "Без разрешения ВКонтакте товары не будут синхронизироваться. Если передумали, подключите аккаунт и нажмите «Разрешить».",
        ),
        ErrorCode::ProviderError => words(
            "ВКонтакте прервал подключение",
            "Попробуйте ещё раз. Если ошибка повторится, обратитесь в поддержку EvoSync.",
        ),
        ErrorCode::ProviderUnavailable => {
            words("ВКонтакте сейчас не отвечает", "Подождите несколько минут и попробуйте ещё раз.")
        }
        ErrorCode::AppRejected => words(
            "ВКонтакте не принимает запросы EvoSync",
            "Это неполадка на нашей стороне, мы уже знаем о ней. Попробуйте позже.",
        ),
        ErrorCode::TokenExchange => words(
            "ВКонтакте не подтвердил подключение",
            "Скорее всего, код подтверждения устарел. Начните подключение заново.",
        ),
        ErrorCode::NoToken => {
            words("ВКонтакте не выдал доступ", "Ответ пришёл без ключа доступа. Начните подключение заново.")
        }
        ErrorCode::Profile => {
            words("Не удалось узнать, чей это аккаунт ВКонтакте", "Попробуйте ещё раз через несколько минут.")
        }
        ErrorCode::AccountUnavailable => words(
            "Этот аккаунт ВКонтакте заблокирован или удалён",
            "Восстановите его на vk.com или подключите другой аккаунт.",
        ),
        ErrorCode::PermissionMissing => words(
            "Не хватает разрешений",
            "Для синхронизации нужен доступ к товарам и сообществам. Подключите аккаунт снова и разрешите всё, о чём попросит ВКонтакте.",
        ),
        ErrorCode::Storage => words(
            "Не удалось сохранить подключение",
            "Это неполадка на нашей стороне. Попробуйте ещё раз через несколько минут.",
        ),
    }
}

/// What the page says of a code that is not on the list.
pub(super) const UNKNOWN_ERROR: Words = words(
    "Не удалось подключить аккаунт",
    "Попробуйте ещё раз. Если ошибка повторится, обратитесь в поддержку EvoSync.",
);

/// Why a connection does not work.
pub(super) fn offline(reason: OfflineReason) -> Words {
    match reason {
        OfflineReason::TokenRejected => words(
            "ВКонтакте больше не принимает доступ",
            "Он отозван или пароль был изменён. Нажмите «Переподключить».",
        ),
        OfflineReason::TokenExpired => {
            words("Срок доступа истёк", "Нажмите «Переподключить», чтобы продлить его.")
        }
        OfflineReason::AccountUnavailable => words(
            "Аккаунт ВКонтакте заблокирован или удалён",
            "Восстановите его на vk.com или подключите другой аккаунт.",
        ),
        OfflineReason::ActionRequired => words(
            "ВКонтакте просит подтвердить действия в аккаунте",
            "Откройте vk.com, выполните то, о чём он просит, и нажмите «Переподключить».",
        ),
        OfflineReason::PermissionMissing => words(
            "Не хватает разрешений",
            "Нажмите «Переподключить» и разрешите доступ к товарам и сообществам.",
        ),
        OfflineReason::WrongTokenKind => words(
            "Этот доступ не подходит для синхронизации",
            "Нажмите «Переподключить» и войдите в личный аккаунт, который управляет сообществом.",
        ),
        OfflineReason::Unreadable => {
            words("Сохранённый доступ повреждён", "Нажмите «Переподключить», чтобы получить новый.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_error_says_something_of_its_own() {
        let texts: HashSet<_> = ErrorCode::ALL.map(error).into_iter().collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        assert!(texts.iter().all(|words| !words.title.is_empty() && !words.advice.is_empty()));
        assert!(!texts.contains(&UNKNOWN_ERROR));
    }
}
