//! What answers need beside what their function says: the reader's language, who helps, and how far https reaches.

use lambda_http::Request;
use lambda_http::http::header::ACCEPT_LANGUAGE;

use super::{CookieJar, CookieName, params};
use crate::config::{ConfigError, Env, SupportUrl};
use crate::pages::Help;
use crate::texts::Language;

/// How long a chosen language stays, in seconds: a year.
const CHOSEN_FOR: i64 = 365 * 24 * 60 * 60;

/// For two years.
const HTTPS_ONLY: &str = "max-age=63072000";
const HTTPS_ONLY_BELOW_TOO: &str = "max-age=63072000; includeSubDomains";

/// The cookies' host, the product's support, and what browsers are told about https.
#[derive(Clone, Debug)]
pub struct Frame {
    jar: CookieJar,
    support: Option<SupportUrl>,
    transport_security: &'static str,
}

impl Frame {
    /// Reads the configuration.
    pub fn new(env: &Env) -> Result<Self, ConfigError> {
        let transport_security =
            if env.hsts_covers_subdomains()? { HTTPS_ONLY_BELOW_TOO } else { HTTPS_ONLY };
        Ok(Self { jar: CookieJar::new(&env.base_url()?), support: env.support_url()?, transport_security })
    }

    /// `Strict-Transport-Security`.
    pub(super) fn transport_security(&self) -> &'static str {
        self.transport_security
    }

    /// The cookies.
    pub fn jar(&self) -> CookieJar {
        self.jar
    }

    /// Help with what failed in the request of a correlation id.
    pub fn help(&self, correlation_id: &str) -> Help {
        Help::new(self.support.as_ref(), correlation_id)
    }

    /// The language to answer in: the one that a link of the page has just asked for, or else the one chosen
    /// earlier, or else what the browser prefers.
    pub fn language(&self, request: &Request) -> Language {
        let chosen = || self.jar.get(request, CookieName::Language).and_then(|tag| Language::from_tag(&tag));
        let header = || request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let preferred = || header().and_then(Language::preferred);
        asked(request).or_else(chosen).or_else(preferred).unwrap_or_default()
    }

    /// The cookie that keeps the language which a link of the page has just asked for.
    pub(super) fn choice(&self, request: &Request) -> Option<cookie::Cookie<'static>> {
        asked(request).map(|language| self.jar.set(CookieName::Language, language.tag(), Some(CHOSEN_FOR)))
    }
}

/// The language that the address asks for (`?lang=en`).
fn asked(request: &Request) -> Option<Language> {
    params(request).one("lang").ok().flatten().and_then(Language::from_tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::Body;
    use lambda_http::http::header::COOKIE;

    fn frame() -> Frame {
        Frame::new(&Env::of_map([("BASE_URL".to_owned(), "https://shop.example".to_owned())].into())).unwrap()
    }

    fn language(query: &str, cookie: &str, header: &str) -> Language {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = format!("/vk?{query}").parse().unwrap();
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        request.headers_mut().insert(ACCEPT_LANGUAGE, header.parse().unwrap());
        frame().language(&request)
    }

    #[test]
    fn the_last_choice_counts_and_then_the_browsers() {
        assert_eq!(language("lang=en", "__Host-language=ru", "ru"), Language::English);
        assert_eq!(language("", "__Host-language=en", "ru"), Language::English);
        assert_eq!(language("", "", "en-US,en;q=0.9"), Language::English);
        assert_eq!(language("", "", ""), Language::Russian);
        assert_eq!(language("", "", "de"), Language::Russian);
    }

    #[test]
    fn a_choice_that_is_none_of_ours_is_passed_over() {
        assert_eq!(language("lang=de", "__Host-language=fr", "en"), Language::English);
        assert_eq!(language("lang=ru&lang=en", "", "en"), Language::English);
        assert_eq!(language("lang=%00", "__Host-language=<b>", "en"), Language::English);
    }
}
