//! The texts of the pages, for Rust and for templates.

use minijinja::value::Kwargs;
use minijinja::{HtmlEscape, Value};

use crate::texts::{Catalogue, Catalogues, FluentValue, Language};

/// The texts of the pages.
pub(crate) static PAGE_TEXTS: Catalogues = Catalogues::new(&[|language| match language {
    Language::Russian => include_str!("words/ru.ftl"),
    Language::English => include_str!("words/en.ftl"),
}]);

/// The texts of the pages in a language.
pub(super) fn texts(language: Language) -> &'static Catalogue {
    PAGE_TEXTS.of(language)
}

/// The text of a key for a template, as HTML. What its variables stand for is escaped unless it is HTML already.
pub(super) fn in_template(
    language: Language,
    key: &str,
    arguments: &Kwargs,
) -> Result<Value, minijinja::Error> {
    let mut html = Vec::new();
    for name in arguments.args() {
        let value: Value = arguments.get(name)?;
        let text = value.to_string();
        let text = if value.is_safe() { text } else { HtmlEscape(&text).to_string() };
        html.push((name, FluentValue::from(text)));
    }
    Ok(Value::from_safe_string(texts(language).text_with(key, html)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_variable_stands_for_is_escaped_unless_it_is_html() {
        let told = |name: Value| {
            let arguments = Kwargs::from_iter([("when", Value::from("Then")), ("write", name)]);
            in_template(Language::English, "help-without-reference", &arguments).unwrap().to_string()
        };
        assert_eq!(told(Value::from("<b>")), "Then, &lt;b&gt;.");
        assert_eq!(told(Value::from_safe_string("<bdi>Anna</bdi>".to_owned())), "Then, <bdi>Anna</bdi>.");
    }
}
