//! The pages of requests that cannot be served.

use serde::Serialize;
use strum::VariantArray;

use super::texts::texts;
use super::{Help, Page, render};
use crate::providers::Message;
use crate::texts::Language;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, VariantArray)]
pub enum Problem {
    /// The request cannot be read in one way only.
    BadRequest,
    /// The request does not come from this product's own page.
    Forbidden,
    /// There is nothing at this address.
    NotFound,
    /// The request is larger than anything the product sends.
    TooLarge,
    /// The issuer did not sign the person in.
    SignInFailed,
    /// Something the product depends on does not answer.
    Unavailable,
    /// The product itself failed.
    Failed,
}

#[derive(Serialize)]
struct ProblemPage<'a> {
    message: Message,
    /// Where the way out leads, below the root.
    link: &'static str,
    /// The key of the link's text.
    link_text: &'static str,
    help: &'a Help,
    /// Where the other language leads: nowhere else, unless a form was posted here.
    here: &'static str,
}

impl Page for ProblemPage<'_> {
    const TEMPLATE: &'static str = "problem.html";
}

impl Problem {
    /// The key of its text.
    fn key(self) -> &'static str {
        match self {
            Self::BadRequest => "problem-bad-request",
            Self::Forbidden => "problem-forbidden",
            Self::NotFound => "problem-not-found",
            Self::TooLarge => "problem-too-large",
            Self::SignInFailed => "problem-sign-in-failed",
            Self::Unavailable => "problem-unavailable",
            Self::Failed => "problem-failed",
        }
    }

    fn way_out(self) -> (&'static str, &'static str) {
        match self {
            Self::SignInFailed => ("login", "sign-in"),
            Self::Unavailable | Self::Failed => ("connections", "retry"),
            _ => ("connections", "back"),
        }
    }
}

/// The page of a problem.
pub fn problem(problem: Problem, help: &Help, language: Language) -> String {
    let message = Message::of(texts(language), problem.key());
    let (link, link_text) = problem.way_out();
    let here = match problem {
        Problem::BadRequest | Problem::NotFound | Problem::SignInFailed => "",
        _ => "/connections",
    };
    let page = ProblemPage { message, link, link_text, help, here };
    render(&page, language).unwrap_or_else(|error| {
        tracing::error!(%error, "the problem page does not render");
        let (tag, Message { title, advice, .. }) = (language.tag(), &page.message);
        format!("<!doctype html><html lang=\"{tag}\"><title>{title}</title><p>{title}. {advice}</p></html>")
    })
}

#[cfg(test)]
mod tests {
    use minijinja::HtmlEscape;

    use super::*;

    #[test]
    fn every_problem_has_words_a_way_out_and_a_correlation_id() {
        for (kind, language) in Problem::VARIANTS
            .iter()
            .flat_map(|kind| Language::ALL.iter().map(move |language| (*kind, *language)))
        {
            let html = problem(kind, &Help::new(None, "req-<7>"), language);
            assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())), "{kind:?}: {html}");
            assert!(html.contains(&HtmlEscape(&texts(language).text(kind.key())).to_string()), "{kind:?}");
            assert_eq!(html.matches("req-&lt;7&gt;").count(), 1, "{kind:?}: {html}");
            assert!(html.contains("<a class=\"btn"), "{kind:?}: {html}");
        }
    }
}
