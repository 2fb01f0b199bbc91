//! The product's cookies. All of them are opaque to scripts, bound to this host, and sent along
//! when another site links here, which is how a person comes back from VK.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use lambda_http::Request;
use lambda_http::http::header::COOKIE;

use crate::config::BaseUrl;
use crate::domain::SessionCredential;

/// A cookie's name, without the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CookieName {
    /// Who is signed in.
    Session,
    /// The browser's own secret while a person is at the issuer.
    SignIn,
    /// Where the person was headed.
    Place,
    /// What the login page says before signing in again.
    Notice,
}

impl CookieName {
    fn bare(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SignIn => "sign-in",
            Self::Place => "place",
            Self::Notice => "notice",
        }
    }
}

/// Reads and writes cookies for one public address.
#[derive(Clone, Copy, Debug)]
pub struct CookieJar {
    secure: bool,
}

impl CookieJar {
    /// The jar of an address. On plain-http loopback `Secure` and the `__Host-` prefix, which
    /// browsers accept over https only, fall away.
    pub fn new(base: &BaseUrl) -> Self {
        Self { secure: base.is_secure() }
    }

    /// The value of a cookie of the request.
    pub fn get<'r>(&self, request: &'r Request, name: CookieName) -> Option<&'r str> {
        let name = self.full_name(name);
        let lines = request.headers().get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// The session the request claims, where its cookie is well-formed.
    pub fn credential(&self, request: &Request) -> Option<SessionCredential> {
        SessionCredential::parse(self.get(request, CookieName::Session)?)
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
        format!("{prefix}{}", name.bare())
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
        let cookie = jar("http://localhost:3000").set(CookieName::Place, "vk", Some(60)).to_string();
        assert_eq!(cookie, "place=vk; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
    }

    #[test]
    fn cookies_are_found_among_others() {
        let request = Request::new(lambda_http::Body::Empty);
        assert_eq!(jar("http://localhost").get(&request, CookieName::Session), None);
        let mut request = request;
        request.headers_mut().insert(COOKIE, "a=b; session=x=y;place=vk".parse().unwrap());
        assert_eq!(jar("http://localhost").get(&request, CookieName::Session), Some("x=y"));
        assert_eq!(jar("http://localhost").get(&request, CookieName::Place), Some("vk"));
        assert_eq!(jar("https://shop.example").get(&request, CookieName::Session), None);
    }
}
