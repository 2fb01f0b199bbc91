//! CSRF protection: a form that changes something is accepted from this product's own page only.

use lambda_http::Request;

use super::fetch_metadata::is_same_origin;
use super::request::form;
use super::{Answer, CookieJar};
use crate::config::BaseUrl;
use crate::domain::SessionCredential;
use crate::pages::Problem;

/// Who posted a form, as far as its origin and its CSRF token prove it.
pub enum FormPost {
    /// The person of this session, from a page rendered for it. The session may have ended since.
    ByPerson(SessionCredential),
    /// A browser without a session, from our own page.
    WithoutSession,
    /// Anybody else, or in a form that cannot be read: the page that says so.
    Refused(Answer),
}

/// Checks a posted form: same origin, of readable size and type, with the session's own token
/// (OWASP, Cross-Site Request Forgery Prevention).
pub fn check_form_post(request: &Request, base: &BaseUrl, jar: &CookieJar) -> FormPost {
    if !is_same_origin(request, base) {
        return FormPost::Refused(Answer::problem(Problem::Forbidden));
    }
    let fields = match form(request) {
        Ok(fields) => fields,
        Err(answer) => return FormPost::Refused(answer),
    };
    let Some(credential) = jar.credential(request) else {
        return FormPost::WithoutSession;
    };
    match fields.one("csrf") {
        Ok(Some(token)) if credential.accepts_csrf(token) => FormPost::ByPerson(credential),
        _ => FormPost::Refused(Answer::problem(Problem::Forbidden)),
    }
}
