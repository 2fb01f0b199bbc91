//! Pages: a type each, rendered into its template.
//!
//! Templates are embedded, and parsed once at most. An undefined variable is an error, and every file in
//! `templates/` is rendered by a test with every sample of its page. What people read is in `words/`, in each
//! language.

pub mod assets;
mod badge;
mod chrome;
mod dashboard;
mod done;
mod problem;
mod provider;
mod signed_out;
mod texts;
mod time;

pub use chrome::{Help, Person};
pub use dashboard::Dashboard;
pub use done::{Done, JustDone};
pub use problem::{Problem, problem};
pub use provider::ProviderPage;
pub use signed_out::{Notice, SignedOut};
#[cfg(test)]
pub(crate) use texts::PAGE_TEXTS;
pub use time::{DisplayTime, View};

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use tokio::task::yield_now;

use crate::texts::Language;

/// A page: what its template is given.
pub trait Page: Serialize {
    /// The template's file name.
    const TEMPLATE: &'static str;
}

/// A template did not accept its page. A defect: the tests render every page.
#[derive(Debug, thiserror::Error)]
#[error("template: {0}")]
pub struct RenderError(#[from] minijinja::Error);

/// Renders a page in a language, escaping every value.
pub fn render<P: Page>(page: &P, language: Language) -> Result<String, RenderError> {
    Ok(environment(language).get_template(P::TEMPLATE)?.render(Serde(page))?)
}

const TEMPLATES: [(&str, &str); 14] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("connections.html", include_str!("../../templates/connections.html")),
    ("problem.html", include_str!("../../templates/problem.html")),
    ("provider.html", include_str!("../../templates/provider.html")),
    ("signed_in.html", include_str!("../../templates/signed_in.html")),
    ("signed_out.html", include_str!("../../templates/signed_out.html")),
    ("parts/badge.html", include_str!("../../templates/parts/badge.html")),
    ("parts/connected.html", include_str!("../../templates/parts/connected.html")),
    ("parts/disconnect.html", include_str!("../../templates/parts/disconnect.html")),
    ("parts/help.html", include_str!("../../templates/parts/help.html")),
    ("parts/name.html", include_str!("../../templates/parts/name.html")),
    ("parts/not_connected.html", include_str!("../../templates/parts/not_connected.html")),
    ("parts/time.html", include_str!("../../templates/parts/time.html")),
    ("parts/told.html", include_str!("../../templates/parts/told.html")),
];

/// Parses everything for whoever names no language, so that the first request need not. What else a start waits for
/// goes on in between.
pub(crate) async fn prepare() {
    let language = Language::default();
    texts::texts(language);
    for (name, _) in TEMPLATES {
        // One that does not parse is reported where it is used.
        drop(environment(language).get_template(name));
        yield_now().await;
    }
}

/// The templates with the texts of a language.
fn environment(language: Language) -> &'static Environment<'static> {
    static RUSSIAN: LazyLock<Environment<'static>> = LazyLock::new(|| new_environment(Language::Russian));
    static ENGLISH: LazyLock<Environment<'static>> = LazyLock::new(|| new_environment(Language::English));
    match language {
        Language::Russian => &RUSSIAN,
        Language::English => &ENGLISH,
    }
}

/// Parses a template when it is first used: no function shows all pages.
fn new_environment(language: Language) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("asset", |name: &str| assets::path(name));
    environment.add_function("t", move |key: &str, arguments| texts::in_template(language, key, &arguments));
    environment.set_loader(|name| {
        let found = TEMPLATES.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, source)| (*source).to_owned()))
    });
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// The templates below a folder, by their names; what is built or served as it is left out.
    fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if ["static", "style"].contains(&name.as_str()) {
                continue;
            }
            if entry.path().is_dir() {
                found.append(&mut files(&entry.path(), &format!("{name}/")));
            } else {
                found.insert(name);
            }
        }
        found
    }

    #[test]
    fn every_file_is_embedded_and_parses() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let embedded = TEMPLATES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files(&folder, ""), embedded);
        for (name, _) in TEMPLATES {
            assert!(environment(Language::Russian).get_template(name).is_ok(), "{name}");
        }
    }
}
