//! What a person has just done, told once on the page they are led to.

use serde::Serialize;

use crate::domain::{Connection, Provider};
use crate::providers::Words;

/// Something done to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Done {
    /// An account was connected, or connected again.
    Connected,
    /// The account was disconnected.
    Disconnected,
}

/// What was done, and to which provider's connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JustDone {
    /// What.
    pub done: Done,
    /// Whose connection.
    pub provider: Provider,
}

/// The words, around a name that is not ours and must not change how they read.
#[derive(Serialize)]
pub(super) struct Told {
    before: &'static str,
    name: String,
    after: &'static str,
}

impl JustDone {
    /// The value of the cookie that remembers it.
    pub fn key(self) -> String {
        format!("{}.{}", <&str>::from(self.done), self.provider.key())
    }

    /// What a cookie's value remembers, which is one of a closed set.
    pub fn from_key(key: &str) -> Option<Self> {
        let (done, provider) = key.split_once('.')?;
        Some(Self { done: done.parse().ok()?, provider: Provider::from_key(provider)? })
    }

    /// In words; `None` where the connection has come to something else in the meantime. `waits` says that goods
    /// wait for another connection too.
    pub(super) fn told(self, words: &Words, connection: Option<&Connection>, waits: bool) -> Option<Told> {
        match (self.done, connection) {
            (Done::Connected, Some(connection)) => Some(Told {
                before: "Подключено: ",
                name: connection.account.known_name().filter(|_| connection.is_online)?,
                after: if waits {
                    "."
                } else {
                    ". Дальше всё настроится автоматически."
                },
            }),
            (Done::Disconnected, None) => Some(Told {
                before: "Аккаунт ",
                name: words.title.to_owned(),
                after: " отключён. Товары больше не обновляются.",
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_reads_back_and_nothing_else_does() {
        for done in [Done::Connected, Done::Disconnected] {
            let just_done = JustDone { done, provider: Provider::Vk };
            assert_eq!(JustDone::from_key(&just_done.key()), Some(just_done));
        }
        for forged in ["", "connected", "connected.", "connected.fair", "<b>.vk", "connected.vk.vk"] {
            assert_eq!(JustDone::from_key(forged), None, "{forged}");
        }
    }
}
