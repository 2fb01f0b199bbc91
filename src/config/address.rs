//! Addresses that secrets travel to.

use url::{Host, Url};

/// The product's public address. Never taken from a request.
#[derive(Clone, Debug)]
pub struct BaseUrl(Url);

impl BaseUrl {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let url = parse_url(value)?;
        (url.path() == "/").then_some(Self(url))
    }

    /// Scheme, host and port, as browsers send it in `Origin`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The absolute address of a path that begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Whether cookies can be `Secure` and `__Host-`: everywhere but on plain-http loopback.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// Where the product's support is reached.
#[derive(Clone, Debug)]
pub struct SupportUrl(String);

impl SupportUrl {
    /// An https page, or a mail address as a `mailto:` link.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let url = Url::parse(value).ok()?;
        let leads_somewhere = match url.scheme() {
            "https" => true,
            "mailto" => url.path().contains('@'),
            _ => false,
        };
        leads_somewhere.then(|| Self(url.into()))
    }

    /// The address, as links have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether traffic to an address is private: https, or plain http to this machine.
pub fn is_private(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        url.scheme() == "https" || (url.scheme() == "http" && loopback)
    })
}

/// The address of a path beneath another address.
pub fn below(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

/// A private address without credentials, query or fragment.
pub(super) fn parse_url(value: &str) -> Option<Url> {
    let url = Url::parse(value).ok().filter(|_| is_private(value))?;
    let bare = url.username().is_empty() && url.password().is_none();
    let plain = url.query().is_none() && url.fragment().is_none();
    (bare && plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use crate::config::env::tests::env;

    #[test]
    fn the_base_url_is_a_secure_origin_or_loopback() {
        for good in
            ["https://shop.example", "https://shop.example/", "http://localhost:3000", "http://127.0.0.1:1"]
        {
            assert!(env(&[("BASE_URL", good)]).base_url().is_ok(), "{good}");
        }
        for bad in [
            "http://shop.example",
            "https://shop.example/path",
            "https://shop.example/?q",
            "https://user@shop.example",
            "shop.example",
            "ftp://localhost",
            "http://localhost.evil.example",
        ] {
            assert!(env(&[("BASE_URL", bad)]).base_url().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_built_from_the_base_url() {
        let base = env(&[("BASE_URL", "https://shop.example/")]).base_url().unwrap();
        assert_eq!(base.join("/vk/callback"), "https://shop.example/vk/callback");
        assert_eq!(base.origin(), "https://shop.example");
        assert!(base.is_secure());
    }
}
