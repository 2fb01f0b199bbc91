//! What a person has just done, told once on the page they are led to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::domain::{Account, Connection, Provider};
use crate::providers::Spoken;

/// Something done to a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// An account was connected.
    Connected,
    /// The same account was connected again.
    Reconnected,
    /// An account was connected in place of this one.
    Switched(Account),
    /// The account was disconnected.
    Disconnected,
}

/// What was done, and to which provider's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JustDone {
    /// What.
    pub done: Done,
    /// Whose connection.
    pub provider: Provider,
}

/// The words, with names that are not ours and must not change how they read.
#[derive(Serialize, Default)]
pub(super) struct Told {
    /// What the provider's words say of it.
    text: Option<String>,
    /// The key of what we say otherwise.
    key: &'static str,
    title: String,
    name: String,
    old: String,
}

impl JustDone {
    /// The value of the cookie that remembers it.
    pub fn key(&self) -> String {
        let provider = self.provider.key();
        match &self.done {
            Done::Connected => format!("connected.{provider}"),
            Done::Reconnected => format!("reconnected.{provider}"),
            Done::Switched(old) => format!("switched.{provider}.{}", encode(old)),
            Done::Disconnected => format!("disconnected.{provider}"),
        }
    }

    /// What a cookie's value remembers; `None` for one that [`JustDone::key`] does not write.
    pub fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.split('.');
        let (done, provider, old) = (parts.next()?, parts.next()?, parts.next());
        let done = match (done, old) {
            ("connected", None) => Done::Connected,
            ("reconnected", None) => Done::Reconnected,
            ("switched", Some(old)) => Done::Switched(decode(old)?),
            ("disconnected", None) => Done::Disconnected,
            _ => return None,
        };
        let just_done = Self { done, provider: Provider::from_key(provider)? };
        parts.next().is_none().then_some(just_done)
    }

    /// In words; `None` where the connection has come to something else in the meantime. `waits` says that goods
    /// wait for another connection too.
    pub(super) fn told(
        &self,
        words: Spoken<'_>,
        connection: Option<&Connection>,
        waits: bool,
    ) -> Option<Told> {
        let Some(connection) = connection else {
            let text = Some(words.text("disconnected"));
            return (self.done == Done::Disconnected).then(|| Told { text, ..Told::default() });
        };
        let key = match &self.done {
            Done::Connected if waits => "done-connected",
            Done::Connected => "done-all-set",
            Done::Reconnected => "done-reconnected",
            Done::Switched(_) => "done-switched",
            Done::Disconnected => return None,
        };
        let old = match &self.done {
            Done::Switched(old) => words.account(old)?,
            _ => String::new(),
        };
        let name = words.account(&connection.account).filter(|_| connection.is_online)?;
        Some(Told { text: None, key, title: words.text("title"), name, old })
    }
}

/// The parts of an account's name, which hold no control characters, on a line each.
fn encode(account: &Account) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{}\n{}", account.id, account.first_name, account.last_name))
}

fn decode(text: &str) -> Option<Account> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut lines = text.split('\n');
    let account = Account::new(lines.next()?, lines.next()?, lines.next()?);
    lines.next().is_none().then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_reads_back_and_nothing_else_does() {
        let old = Account::new("42", "Анна", "Смирнова");
        for done in [Done::Connected, Done::Reconnected, Done::Switched(old), Done::Disconnected] {
            let just_done = JustDone { done, provider: Provider::Vk };
            assert_eq!(JustDone::from_key(&just_done.key()), Some(just_done));
        }
        for forged in [
            "",
            "connected",
            "connected.",
            "connected.fair",
            "<b>.vk",
            "connected.vk.vk",
            "switched.vk",
            "switched.vk.!",
            "switched.vk.MQ",
            "switched.vk.MQoyCjM.MQoyCjM",
        ] {
            assert_eq!(JustDone::from_key(forged), None, "{forged}");
        }
    }
}
