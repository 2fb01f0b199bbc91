//! What pages say whoever the provider is, in Russian: of what happened on our side, or between us and the person.

use super::Message;

pub(super) const INVALID_STATE: Message = Message::new(
    "Не удалось подтвердить попытку подключения",
    "Она начата в другом браузере или сеансе либо неизвестна. Начните подключение заново с этой страницы.",
);

pub(super) const ATTEMPT_EXPIRED: Message = Message::new(
    "Время на подключение истекло",
    "На подтверждение даётся 10 минут. Начните подключение заново.",
);

pub(super) const ATTEMPT_USED: Message = Message::new(
    "Эта попытка подключения уже завершена",
    "Проверьте состояние подключения ниже. Если аккаунт не подключён, начните заново.",
);

pub(super) const TOO_MANY_ATTEMPTS: Message =
    Message::new("Слишком много действий подряд", "Подождите минуту и попробуйте ещё раз.");

pub(super) const SESSION_EXPIRED: Message = Message::new(
    "Сеанс завершился раньше, чем подключение",
    "Вы снова вошли в систему — начните подключение заново.",
);

pub(super) const STORAGE: Message = Message::new(
    "Не удалось сохранить подключение",
    "Это неполадка на нашей стороне. Попробуйте ещё раз через несколько минут.",
);

pub(super) const TOKEN_EXPIRED: Message =
    Message::new("Срок доступа истёк", "Нажмите «Переподключить», чтобы продлить его.");

pub(super) const UNREADABLE: Message =
    Message::new("Сохранённый доступ повреждён", "Нажмите «Переподключить», чтобы получить новый.");
