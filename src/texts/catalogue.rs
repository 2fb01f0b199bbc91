//! Fluent's messages, found by key.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use super::Language;

/// The texts of one kind in one language.
pub struct Catalogue {
    texts: FluentBundle<FluentResource>,
}

/// The Fluent file of a language.
pub type Source = fn(Language) -> &'static str;

impl Catalogue {
    /// The texts of files. Where two have the same key, that of the earlier file counts. A file that cannot be read
    /// as a whole is read as far as it goes.
    fn new(language: Language, sources: &[Source]) -> Self {
        let mut texts = FluentBundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
        // Names are isolated in HTML, where they are names; Fluent would isolate numbers too.
        texts.set_use_isolating(false);
        for source in sources {
            let read = FluentResource::try_new(source(language).to_owned());
            let resource = read.unwrap_or_else(|(resource, errors)| {
                tracing::error!(language = language.tag(), errors = errors.len(), "texts cannot be read");
                resource
            });
            // The only errors are keys that an earlier file has.
            drop(texts.add_resource(resource));
        }
        Self { texts }
    }

    /// The text of a key, or of `key.attribute`; `None` where there is none.
    pub fn find(&self, key: &str) -> Option<String> {
        self.look_up(key, None)
    }

    /// The text of a key that is known to have one.
    pub fn text(&self, key: &str) -> String {
        self.find(key).unwrap_or_else(|| missing(key))
    }

    /// The same, with what its variables stand for.
    pub fn text_with<'a>(
        &self,
        key: &str,
        arguments: impl IntoIterator<Item = (&'a str, FluentValue<'a>)>,
    ) -> String {
        self.look_up(key, Some(&arguments.into_iter().collect())).unwrap_or_else(|| missing(key))
    }

    fn look_up(&self, key: &str, arguments: Option<&FluentArgs<'_>>) -> Option<String> {
        let (message, attribute) = key.split_once('.').map_or((key, None), |(key, name)| (key, Some(name)));
        let message = self.texts.get_message(message)?;
        let pattern = match attribute {
            Some(name) => message.get_attribute(name)?.value(),
            None => message.value()?,
        };
        let mut errors = Vec::new();
        let text = self.texts.format_pattern(pattern, arguments, &mut errors).into_owned();
        if let Some(error) = errors.first() {
            tracing::error!(key, %error, "the text is incomplete");
        }
        Some(text)
    }
}

/// What is shown where a text is missing, so that the rest of the page stays of use.
fn missing(key: &str) -> String {
    tracing::error!(key, "no such text");
    String::new()
}

/// The texts of one kind in every language, each read when it is first asked for.
pub struct Catalogues {
    sources: &'static [Source],
    russian: OnceLock<Catalogue>,
    english: OnceLock<Catalogue>,
}

impl Catalogues {
    /// The texts of files, of which earlier ones count first.
    pub const fn new(sources: &'static [Source]) -> Self {
        Self { sources, russian: OnceLock::new(), english: OnceLock::new() }
    }

    /// The texts in one language.
    pub fn of(&self, language: Language) -> &Catalogue {
        let catalogue = match language {
            Language::Russian => &self.russian,
            Language::English => &self.english,
        };
        catalogue.get_or_init(|| Catalogue::new(language, self.sources))
    }

    /// The files.
    #[cfg(test)]
    pub(super) fn sources(&self) -> &'static [Source] {
        self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TEXTS: Catalogues = Catalogues::new(&[
        |_| "greeting = Ours\n    .reply = Hello, { $name }\n",
        |language| match language {
            Language::Russian => "greeting = Общее\nbye = До встречи, { greeting }\n",
            Language::English => "greeting = Common\nbye = See you, { greeting }\n",
        },
    ]);

    #[test]
    fn an_earlier_file_counts_and_a_later_one_may_refer_to_it() {
        assert_eq!(TEXTS.of(Language::Russian).text("greeting"), "Ours");
        assert_eq!(TEXTS.of(Language::Russian).text("bye"), "До встречи, Ours");
        assert_eq!(TEXTS.of(Language::English).text("bye"), "See you, Ours");
    }

    #[test]
    fn attributes_have_keys_of_their_own() {
        let texts = TEXTS.of(Language::English);
        assert_eq!(texts.text_with("greeting.reply", [("name", "Anna".into())]), "Hello, Anna");
        for unknown in ["reply", "greeting.bye", "nothing", "", ".", "greeting."] {
            assert_eq!(texts.find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_page_goes_on_without_a_text_that_is_missing() {
        assert_eq!(TEXTS.of(Language::English).text("nothing"), "");
    }
}
