//! Forms that change something: accepted from this product's own page alone.

use lambda_http::Request;

use super::guard::is_same_origin;
use super::request::form;
use super::{Answer, CookieJar};
use crate::config::BaseUrl;
use crate::domain::SessionCredential;
use crate::pages::Problem;

/// Who posted a form.
pub enum Posted {
    /// The person of this session, from a page rendered for it. The session may have ended since.
    ByPerson(SessionCredential),
    /// A browser without a session, from our own page.
    WithoutSession,
    /// Anybody else, or in a form that cannot be read: the page that says so.
    Refused(Answer),
}

/// Checks a posted form: same origin, of readable size and type, with the session's own token
/// (OWASP, Cross-Site Request Forgery Prevention).
pub fn posted(request: &Request, base: &BaseUrl, jar: &CookieJar) -> Posted {
    if !is_same_origin(request, base) {
        return Posted::Refused(Answer::problem(Problem::Forbidden));
    }
    let fields = match form(request) {
        Ok(fields) => fields,
        Err(answer) => return Posted::Refused(answer),
    };
    let Some(credential) = jar.credential(request) else {
        return Posted::WithoutSession;
    };
    match fields.one("csrf") {
        Ok(Some(token)) if credential.accepts_csrf(token) => Posted::ByPerson(credential),
        _ => Posted::Refused(Answer::problem(Problem::Forbidden)),
    }
}
