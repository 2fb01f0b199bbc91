//! The pages of requests that cannot be served.

use serde::Serialize;
use strum::VariantArray;

use super::{Page, render};

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
    title: &'static str,
    advice: &'static str,
    link: &'static str,
    link_text: &'static str,
    correlation_id: Option<&'a str>,
}

impl Page for ProblemPage<'_> {
    const TEMPLATE: &'static str = "problem.html";
}

impl Problem {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("Запрос не распознан", "Откройте нужную страницу заново."),
            Self::Forbidden => (
                "Действие не подтверждено",
                "Запрос пришёл не с нашей страницы или страница устарела. Откройте её заново и повторите.",
            ),
            Self::NotFound => ("Страница не найдена", "Возможно, адрес набран с ошибкой."),
            Self::TooLarge => ("Слишком большой запрос", "Откройте страницу заново и повторите действие."),
            Self::SignInFailed => (
                "Не удалось войти",
                "Вход не подтверждён или занял слишком много времени. Попробуйте ещё раз.",
            ),
            Self::Unavailable => (
                "Сервис временно недоступен",
                "Мы уже знаем о неполадке. Подождите минуту и попробуйте ещё раз.",
            ),
            Self::Failed => (
                "Что-то пошло не так",
                "Мы уже знаем о неполадке. Если она повторится, сообщите в поддержку код обращения.",
            ),
        }
    }

    /// Where the way out leads, below the root.
    fn way_out(self) -> (&'static str, &'static str) {
        match self {
            Self::SignInFailed => ("login", "Войти"),
            _ => ("connections", "К подключениям"),
        }
    }
}

/// The page of a problem. The correlation id finds the request in the logs.
pub fn problem(problem: Problem, correlation_id: &str) -> String {
    let ((title, advice), (link, link_text)) = (problem.words(), problem.way_out());
    let correlation_id = Some(correlation_id).filter(|id| !id.is_empty());
    render(&ProblemPage { title, advice, link, link_text, correlation_id }).unwrap_or_else(|error| {
        tracing::error!(%error, "the problem page does not render");
        format!("<!doctype html><html lang=\"ru\"><title>{title}</title><p>{title}. {advice}</p></html>")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_words_a_way_out_and_a_correlation_id() {
        for kind in Problem::VARIANTS.iter().copied() {
            let html = problem(kind, "req-<7>");
            assert!(html.contains(kind.words().0), "{kind:?}");
            assert!(html.contains("req-&lt;7&gt;"), "{kind:?}: {html}");
            assert!(html.contains("<a class=\"btn"), "{kind:?}: {html}");
        }
    }
}
