//! Every text is there in every language, and is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Catalogues, Language, Source};
use crate::domain::{ErrorCode, OfflineReason, Provider};
use crate::pages::PAGE_TEXTS;
use crate::providers::{COMMON, Registered, Registry as _, Words};

/// The keys of a file, attributes among them, each with the variables of its text.
type Keys = BTreeMap<String, BTreeSet<String>>;

fn keys(file: &str) -> Keys {
    let mut keys = Keys::new();
    let (mut message, mut key) = (String::new(), String::new());
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let named = |line: &str| line.split_once(" = ").map(|(name, _)| name.to_owned());
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            message = named(line).expect("a key has a text on its line");
            key.clone_from(&message);
        } else if let Some(attribute) = line.strip_prefix("    .") {
            key = format!("{message}.{}", named(attribute).expect("an attribute has a text on its line"));
        } else if line.is_empty() {
            continue;
        }
        let variables = line
            .split('$')
            .skip(1)
            .map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
        keys.entry(key.clone()).or_default().extend(variables);
    }
    keys
}

fn files() -> Vec<(&'static str, Source)> {
    let page = ("pages", PAGE_TEXTS.sources()[0]);
    let own = words().into_iter().map(|(provider, words)| (provider.key(), words.texts.sources()[0]));
    own.chain([page, ("all providers", COMMON)]).collect()
}

fn words() -> Vec<(Provider, &'static Words)> {
    let words = |provider: &Provider| Some((*provider, Registered.words(*provider)?));
    Provider::ALL.iter().filter_map(words).collect()
}

/// What stands in quotes in the sources of the pages and in their templates.
fn quoted() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src/pages", "templates", "templates/parts"];
    let files = folders.map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let paths = files.into_iter().flatten().map(|file| file.unwrap().path());
    let sources = paths.filter(|path| path.extension().is_some_and(|end| end == "rs" || end == "html"));
    sources.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn each_language_has_the_same_keys_with_the_same_variables() {
    for (name, source) in files() {
        let russian = keys(source(Language::Russian));
        for language in Language::ALL {
            let others = keys(source(*language));
            for (key, variables) in &russian {
                assert_eq!(others.get(key), Some(variables), "{key} of {name} in {language:?}");
            }
            for key in others.keys() {
                assert!(russian.contains_key(key), "{key} of {name} is in {language:?} alone");
            }
        }
    }
}

#[test]
fn every_file_reads_without_an_error() {
    for (name, source) in files() {
        for language in Language::ALL {
            let read = fluent_bundle::FluentResource::try_new(source(*language).to_owned());
            let errors = read.err().map(|(_, errors)| errors);
            assert_eq!(errors, None, "{name} in {language:?}");
        }
    }
}

#[test]
fn every_text_that_templates_ask_for_is_there() {
    let texts = PAGE_TEXTS.of(Language::Russian);
    let quoted = quoted();
    let calls = [" t(\"", "(t(\"", ".text(\"", ".text_with(\""].into_iter();
    let asked: Vec<_> = calls
        .flat_map(|call| quoted.split(call).skip(1))
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    for key in asked {
        let of_provider =
            words().iter().all(|(_, words)| words.texts.of(Language::Russian).find(key).is_some());
        assert!(of_provider || texts.find(key).is_some(), "{key} has no text");
    }
}

#[test]
fn every_text_of_the_pages_is_asked_for() {
    let quoted = quoted();
    for key in keys(PAGE_TEXTS.sources()[0](Language::Russian)).keys().filter(|key| !key.contains('.')) {
        let asked = [format!("\"{key}\""), format!("'{key}'")].iter().any(|key| quoted.contains(key));
        assert!(asked, "no page asks for {key}");
    }
}

#[test]
fn every_provider_has_all_it_is_asked_for() {
    let fixed =
        ["title", "account", "purpose", "invitation", "connect", "disconnect", "disconnected", "confirm-yes"];
    let codes = ErrorCode::ALL.iter().map(|code| format!("error-{}", code.code()));
    let reasons = OfflineReason::ALL.iter().map(|reason| format!("offline-{}", reason.code()));
    let messages: Vec<_> = codes.chain(reasons).chain(["confirm".to_owned()]).collect();
    let advices = messages.iter().map(|key| format!("{key}.advice"));
    let all: Vec<_> =
        fixed.map(str::to_owned).into_iter().chain(advices).chain(messages.iter().cloned()).collect();
    for (provider, words) in words() {
        for language in Language::ALL {
            let texts = words.texts.of(*language);
            for key in &all {
                assert!(
                    texts.find(key).is_some_and(|text| !text.is_empty()),
                    "{provider:?} {language:?} {key}"
                );
            }
            assert_eq!(words.spoken(*language).steps().len(), 3, "{provider:?} {language:?}");
        }
    }
}

#[test]
fn every_error_and_every_reason_says_something_of_its_own() {
    for (provider, words) in words() {
        for language in Language::ALL {
            let spoken = words.spoken(*language);
            let errors: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| spoken.error(*code).title).collect();
            assert_eq!(errors.len(), ErrorCode::ALL.len(), "{provider:?} {language:?}");
            let reasons: BTreeSet<_> =
                OfflineReason::ALL.iter().map(|reason| spoken.offline(*reason).title).collect();
            assert_eq!(reasons.len(), OfflineReason::ALL.len(), "{provider:?} {language:?}");
        }
    }
}

#[test]
fn no_text_holds_markup_which_pages_would_not_escape() {
    for (name, source) in files() {
        for language in Language::ALL {
            for line in source(*language).lines().filter(|line| !line.starts_with('#')) {
                let text = line.replace("->", "");
                assert!(!text.contains(['<', '>', '&', '"']), "{name} in {language:?}: {line}");
            }
        }
    }
}

#[test]
fn each_language_is_written_in_its_own_letters() {
    let cyrillic = |text: &str| text.chars().any(|c| ('а'..='я').contains(&c));
    for (name, source) in files() {
        let english = source(Language::English);
        let strays: Vec<_> =
            english.lines().filter(|line| cyrillic(line) && !line.starts_with("other-language")).collect();
        assert!(strays.is_empty(), "{name}: {strays:?}");
    }
}

/// The provider-independent files cannot be read alone: they refer to the provider's name.
#[test]
fn the_name_of_a_provider_comes_into_the_texts_of_all() {
    let texts: &Catalogues = &Registered.words(Provider::Vk).unwrap().texts;
    let unavailable = texts.of(Language::English).text("error-provider_unavailable");
    assert_eq!(unavailable, "VK isn't responding right now");
}
