//! The outbound HTTP client, for hosts outside AWS: bounded in time and size, never redirected, and
//! with errors that say what happened and why, but no URL. What comes in is
//! [`web`](crate::web)'s.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{ClientBuilder, RequestBuilder, StatusCode, redirect};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::domain::secret::ClientSecret;
use crate::error_chain::Cause;
use crate::tls;

/// The largest answer read unless a client has another limit, in bytes. VK's and OpenID providers' are a few
/// kilobytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// What most answers fit into, so that reading one leaves no copies behind in memory.
const USUAL_ANSWER: usize = 4 * 1024;

/// The most connections to one host that wait for the next request. A process has a thousand descriptors.
const MOST_IDLE: usize = 64;

/// Who we are (RFC 9110, section 10.1.5). Firewalls refuse clients that do not say.
const USER_AGENT: &str = concat!("evosync-connections/", env!("CARGO_PKG_VERSION"));

/// How long a peer may take, and how much it may say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To accept the connection.
    pub connect: Duration,
    /// To answer completely, connection included.
    pub total: Duration,
    /// Whether connections are kept for further requests. One that lies idle while Lambda freezes a
    /// function may be dead afterwards, so only a caller that asks again at once, and retries, should keep them.
    pub reuse: bool,
    /// The largest answer read, in bytes.
    pub largest_answer: usize,
}

impl Default for Limits {
    /// Two and five seconds, a new connection for each request, and 64 KiB.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(5),
            reuse: false,
            largest_answer: LARGEST_ANSWER,
        }
    }
}

/// An HTTP client for one purpose.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    largest_answer: usize,
}

/// A complete answer.
pub struct HttpAnswer {
    /// The status line's code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Within the client's limit. Wiped when dropped: it may hold a token.
    pub body: Zeroizing<Vec<u8>>,
}

impl HttpAnswer {
    /// Whether the status says that the peer is down or overloaded (RFC 9110, sections 15.5.9 and
    /// 15.6; RFC 6585, section 4). Whatever the body says then proves nothing.
    pub fn is_outage(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 429 | 500..)
    }

    /// How long the peer wants to be left alone (`Retry-After`, RFC 9110, section 10.2.3): seconds, or a
    /// date compared with the answer's own.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let value = text(RETRY_AFTER)?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
        let wait = date(value)?.duration_since(date(text(DATE)?)?);
        Duration::try_from(wait).ok()
    }

    /// Whether it is an anti-bot page of VK's, which is no answer either.
    pub fn is_challenge(&self) -> bool {
        self.headers.get("x-challenge").is_some_and(|value| value == "required")
    }
}

/// Why there is no answer. Deliberately not a wrapped [`reqwest::Error`]: that one prints its URL,
/// and URLs here may carry secrets. Its causes are kept as texts.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HttpError {
    /// The peer took longer than the [`Limits`] allow. It may have the request.
    #[error("timed out")]
    Timeout,
    /// The peer's certificate or protocol is not acceptable. Nothing of the request was sent.
    #[error("TLS failed")]
    Tls(#[source] Option<Cause>),
    /// The name did not resolve, or the connection was not accepted in time. Nothing of the request was sent.
    #[error("cannot connect")]
    Unreached(#[source] Option<Cause>),
    /// The answer is larger than the client's limit.
    #[error("answer too large")]
    TooLarge,
    /// The connection broke, or what came was no HTTP. The peer may have the request.
    #[error("network failed")]
    Network(#[source] Option<Cause>),
}

impl HttpError {
    /// What happened, for a log.
    pub fn as_cause(&self) -> Cause {
        Cause::of(self).unwrap_or_else(|| Cause::new("no answer"))
    }
}

impl HttpClient {
    /// A client that trusts the system's roots and, where given, the certificates of a PEM text.
    ///
    /// # Errors
    /// When the PEM text holds no certificate, or TLS cannot be initialised.
    pub fn new(limits: Limits, extra_ca: Option<&str>) -> Result<Self, ClientError> {
        let builder = builder(extra_ca)?
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .pool_max_idle_per_host(if limits.reuse { MOST_IDLE } else { 0 })
            .user_agent(USER_AGENT)
            .default_headers(HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]));
        let client = builder.build().map_err(|_| ClientError::Tls)?;
        Ok(Self { client, largest_answer: limits.largest_answer })
    }

    /// The client to build a request with.
    pub fn requests(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request and reads the whole answer, within the bounds.
    #[expect(clippy::disallowed_methods, reason = "this is the bounded send everything else uses")]
    pub async fn send(&self, request: RequestBuilder) -> Result<HttpAnswer, HttpError> {
        let mut response = request.send().await.map_err(|error| kind_of(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let length = response.content_length().and_then(|length| usize::try_from(length).ok());
        // Not what a peer claims, before it has said it.
        let room = length.unwrap_or(USUAL_ANSWER).min(USUAL_ANSWER);
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        while let Some(chunk) = response.chunk().await.map_err(|error| kind_of(&error))? {
            if body.len() + chunk.len() > self.largest_answer {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status, headers, body })
    }
}

/// What all clients begin with, those of AWS too: nothing is followed elsewhere, and nothing is sent twice unless the
/// caller does it.
pub(crate) fn builder(extra_ca: Option<&str>) -> Result<ClientBuilder, ClientError> {
    Ok(reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_backend_preconfigured(tls::client_config(extra_ca)?))
}

/// The value of `Authorization` by which an application proves itself (RFC 6749, section 2.3.1): both parts are
/// form-encoded before Base64.
pub fn basic_credentials(client_id: &str, secret: &ClientSecret) -> Zeroizing<String> {
    let encode = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encode(client_id), *encode(secret.secret())));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// Why there is no client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The PEM text is no list of certificates.
    #[error("no certificate in the PEM text")]
    Certificate,
    /// The system's root certificates cannot be read, or TLS is broken otherwise.
    #[error("cannot initialise TLS: are the system's root certificates installed?")]
    Tls,
}

fn kind_of(error: &reqwest::Error) -> HttpError {
    if error.is_connect() {
        let cause = Cause::of(error);
        if is_tls(error) { HttpError::Tls(cause) } else { HttpError::Unreached(cause) }
    } else if error.is_timeout() {
        HttpError::Timeout
    } else {
        HttpError::Network(Cause::of(error))
    }
}

/// Looks for a TLS error in the chain of causes; an I/O error keeps it inside rather than beneath.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let (status, body) = (StatusCode::TOO_MANY_REQUESTS, Zeroizing::default());
        HttpAnswer { status, headers: map, body }.retry_after()
    }

    #[test]
    fn both_parts_of_the_credentials_are_form_encoded() {
        let credentials = basic_credentials("app:1", &ClientSecret::new("s %ё"));
        let pair = STANDARD.decode(credentials.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"app%3A1:s+%25%D1%91");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(retry_after(&[("retry-after", "120")]), seconds(120));
        assert_eq!(retry_after(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), now]), seconds(60));
        for unusable in ["", "-5", "soon", "Sun, 06 Nov 1994 08:48:37 GMT"] {
            assert_eq!(retry_after(&[("retry-after", unusable), now]), None, "{unusable}");
        }
        assert_eq!(retry_after(&[]), None);
    }
}
