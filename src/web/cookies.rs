//! The product's cookies. All of them are opaque to scripts, bound to this host, and sent along
//! when another site links here, which is how a person comes back from VK.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use lambda_http::Request;
use lambda_http::http::header::COOKIE;

use crate::config::BaseUrl;
use crate::domain::SessionCredential;

/// A cookie's name, without the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum CookieName {
    /// Who is signed in.
    Session,
    /// The browser's own secret while a person is at the issuer.
    SignIn,
    /// Where the person returns to after signing in.
    #[strum(serialize = "place")]
    ReturnTo,
    /// What the login page says before signing in again.
    Notice,
    /// The state of the attempt to connect that began last, for providers that may lose it.
    State,
    /// What the person has just done, for the next page to tell.
    Done,
    /// The correlation id of the request whose failure the next page explains.
    Reference,
    /// The language that the person has chosen.
    Language,
    /// That the next sign-in must ask who the person is.
    AskAgain,
}

/// Reads and writes cookies for one public address.
#[derive(Clone, Copy, Debug)]
pub struct CookieJar {
    secure: bool,
}

impl CookieJar {
    /// The jar of an address. On plain-http loopback cookies have neither `Secure` nor the `__Host-`
    /// prefix, which browsers accept over https only.
    pub fn new(base: &BaseUrl) -> Self {
        Self { secure: base.is_secure() }
    }

    /// The value of a cookie of the request.
    pub fn get(&self, request: &Request, name: CookieName) -> Option<String> {
        let name = self.full_name(name);
        let lines = request.headers().get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
        cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
    }

    /// The session the request claims, where its cookie is well-formed.
    pub fn credential(&self, request: &Request) -> Option<SessionCredential> {
        SessionCredential::parse(&self.get(request, CookieName::Session)?)
    }

    /// A cookie for the rest of the browser's session, or for `seconds`.
    pub fn set(&self, name: CookieName, value: impl Into<String>, seconds: Option<i64>) -> Cookie<'static> {
        let mut cookie = Cookie::new(self.full_name(name), value.into());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.secure);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_max_age(seconds.map(Duration::seconds));
        cookie
    }

    /// A cookie that removes another.
    pub fn clear(&self, name: CookieName) -> Cookie<'static> {
        self.set(name, "", Some(0))
    }

    fn full_name(self, name: CookieName) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}{}", <&str>::from(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    fn jar(base: &str) -> CookieJar {
        let env = Env::of_map([("BASE_URL".to_owned(), base.to_owned())].into());
        CookieJar::new(&env.base_url().unwrap())
    }

    #[test]
    fn every_cookie_is_bound_to_the_host_and_closed_to_scripts() {
        let cookie = jar("https://shop.example").set(CookieName::Session, "v", None).to_string();
        assert_eq!(cookie, "__Host-session=v; HttpOnly; SameSite=Lax; Secure; Path=/");
    }

    #[test]
    fn loopback_does_without_what_needs_https() {
        let cookie = jar("http://localhost:3000").set(CookieName::ReturnTo, "vk", Some(60)).to_string();
        assert_eq!(cookie, "place=vk; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
    }

    #[test]
    fn cookies_are_found_among_others() {
        let request = Request::new(lambda_http::Body::Empty);
        assert_eq!(jar("http://localhost").get(&request, CookieName::Session), None);
        let mut request = request;
        request.headers_mut().insert(COOKIE, "a=b; session=x=y;place=vk".parse().unwrap());
        assert_eq!(jar("http://localhost").get(&request, CookieName::Session).as_deref(), Some("x=y"));
        assert_eq!(jar("http://localhost").get(&request, CookieName::ReturnTo).as_deref(), Some("vk"));
        assert_eq!(jar("https://shop.example").get(&request, CookieName::Session), None);
    }
}
