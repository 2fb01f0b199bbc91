//! What pages say of a provider.

use serde::Serialize;

use crate::domain::{Account, ErrorCode, OfflineReason};
use crate::texts::{Catalogue, Catalogues, Language, Source};

/// Everything a page says that is not the same for every provider. Templates are given these words
/// and never a provider's name, so that a new provider needs no template.
pub struct Words {
    /// A picture beside the title: SVG of the product's own, which is not escaped.
    pub icon: &'static str,
    /// How an account is called: by its name, unless the provider has another way; `None` where nothing is known of
    /// it.
    pub account: fn(&Account, &Catalogue) -> Option<String>,
    /// The provider's texts, and what all providers have in [`COMMON`].
    pub texts: Catalogues,
}

/// The texts that a provider has unless its own file says otherwise.
pub const COMMON: Source = |language| match language {
    Language::Russian => include_str!("words/ru.ftl"),
    Language::English => include_str!("words/en.ftl"),
};

/// The name of an account whose provider has no other way to call it.
pub fn by_name(account: &Account, _texts: &Catalogue) -> Option<String> {
    account.known_name()
}

/// A provider's words in one language.
#[derive(Clone, Copy)]
pub struct Spoken<'a> {
    words: &'a Words,
    texts: &'a Catalogue,
}

/// What happened, and what to do next.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// What happened.
    pub title: String,
    /// What to do next.
    pub advice: String,
    /// When to ask the product's support for help, where that may come to it.
    pub help: Option<String>,
}

impl Message {
    /// The message of a key, whose attributes are advice and help.
    pub fn of(texts: &Catalogue, key: &str) -> Self {
        Self {
            title: texts.text(key),
            advice: texts.text(&format!("{key}.advice")),
            help: texts.find(&format!("{key}.help")),
        }
    }
}

impl Words {
    /// The words in a language.
    pub fn spoken(&self, language: Language) -> Spoken<'_> {
        Spoken { words: self, texts: self.texts.of(language) }
    }
}

impl Spoken<'_> {
    /// The text of a key that every provider has: see the files in `words/`.
    pub fn text(&self, key: &str) -> String {
        self.texts.text(key)
    }

    /// The message of a key that every provider has.
    pub fn message(&self, key: &str) -> Message {
        Message::of(self.texts, key)
    }

    /// The picture beside the title.
    pub fn icon(&self) -> &'static str {
        self.words.icon
    }

    /// What the provider calls the number of an account; `None` where a merchant does not know it by one.
    pub fn account_id(&self) -> Option<String> {
        self.texts.find("account-id")
    }

    /// How an account is called.
    pub fn account(&self, account: &Account) -> Option<String> {
        (self.words.account)(account, self.texts)
    }

    /// What the person need not worry about when they connect, where there is something to say.
    pub fn assurance(&self) -> Option<String> {
        self.texts.find("assurance")
    }

    /// What happens when the person connects, step by step, and that it can be undone.
    pub fn steps(&self) -> Vec<String> {
        (1..).map_while(|step| self.texts.find(&format!("step-{step}"))).collect()
    }

    /// What a right is called that may be granted; `None` for one that merchants need not know of.
    pub fn scope(&self, name: &str) -> Option<String> {
        self.texts.find(&format!("scope-{name}"))
    }

    /// Why connecting failed.
    pub fn error(&self, code: ErrorCode) -> Message {
        self.message(&format!("error-{}", code.code()))
    }

    /// Why a connection does not work.
    pub fn offline(&self, reason: OfflineReason) -> Message {
        self.message(&format!("offline-{}", reason.code()))
    }
}
