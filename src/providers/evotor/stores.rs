//! Evotor's API: a merchant's shops. Nothing else says whose a token is, or whether it lives.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::config::{ApiConfig, TokenHeader};
use crate::domain::secret::AccessToken;
use crate::domain::{Account, Liveness, OfflineReason, Unknown};
use crate::error_chain::Cause;
use crate::http_client::{HttpAnswer, HttpClient};
use crate::platform::Clock;
use crate::providers::lenient::Loose;
use crate::providers::{CheckAnswer, RateLimited, unanswered};

/// The version of the API, in both directions.
const MEDIA_TYPE: &str = "application/vnd.evotor.v2+json";

/// The longest wait that is believed. A window longer than this is a clock that is wrong.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Calls the API with a merchant's token.
pub(super) struct Api {
    http: HttpClient,
    config: ApiConfig,
    clock: Clock,
}

/// A merchant's shops, as far as one page of the answer lists them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stores {
    /// Ids and names, in the order of ids.
    stores: Vec<(String, String)>,
    /// Whether there are further pages.
    more: bool,
}

/// A call without a usable answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// What that means for the token; never [`Liveness::Alive`].
    pub(super) liveness: Liveness,
    /// What happened.
    pub(super) cause: Cause,
    /// Set where Evotor asks for fewer calls.
    rate_limited: Option<RateLimited>,
}

/// The documented answer. Some clients have seen the bare list instead.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Page { items: Vec<Loose<Store>>, paging: Option<Loose<Paging>> },
    List(Vec<Loose<Store>>),
}

#[derive(Deserialize)]
struct Store {
    id: String,
    name: Option<Loose<String>>,
}

#[derive(Deserialize)]
struct Paging {
    next_cursor: Option<Loose<String>>,
}

impl Api {
    /// An API at a configured address.
    pub(super) fn new(http: HttpClient, config: ApiConfig, clock: Clock) -> Self {
        Self { http, config, clock }
    }

    /// The shops (`GET /stores`).
    pub(super) async fn stores(&self, token: &AccessToken) -> Result<Stores, Fault> {
        let request = self.http.requests().get(self.config.stores_url.clone()).header(ACCEPT, MEDIA_TYPE);
        let request = self.signed(request.header(CONTENT_TYPE, MEDIA_TYPE), token);
        match self.http.send(request).await {
            Ok(answer) => read(&answer, self.clock.now()),
            Err(error) => Err(Fault {
                liveness: Liveness::Unknown(unanswered(&error)),
                cause: error.as_cause(),
                rate_limited: None,
            }),
        }
    }

    fn signed(&self, request: RequestBuilder, token: &AccessToken) -> RequestBuilder {
        match self.config.token_header {
            TokenHeader::Authorization => request.bearer_auth(token.secret()),
            TokenHeader::XAuthorization => request.header("X-Authorization", token.secret()),
        }
    }
}

impl Stores {
    /// The account of these shops. It has no number of its own: the least id among its shops stands for one.
    pub(super) fn account(&self) -> Account {
        let names: Vec<&str> = self.stores.iter().map(|(_, name)| name.as_str()).collect();
        let id = self.stores.first().map(|(id, _)| id.as_str()).unwrap_or_default();
        super::words::account(id, &names, self.more)
    }
}

/// How long Evotor wants to be left alone: `Retry-After`, or else the end of the window that it counts calls in
/// (`X-RateLimit-Reset`). Evotor does not say how that is written: a small number is taken for seconds from now,
/// a large one for epoch seconds.
pub(super) fn retry_after(answer: &HttpAnswer, now: Timestamp) -> Option<Duration> {
    let header = answer.headers.get("x-ratelimit-reset").and_then(|value| value.to_str().ok());
    let reset = || {
        let number: u64 = header?.trim().parse().ok()?;
        let now = u64::try_from(now.as_second()).ok()?;
        Some(Duration::from_secs(number.checked_sub(now).unwrap_or(number)))
    };
    answer.retry_after().or_else(reset).filter(|wait| *wait <= LONGEST_WAIT)
}

/// The status decides. 401 and 403 are believed only where they are the API's own, and no page of a server that
/// stands before it.
fn read(answer: &HttpAnswer, now: Timestamp) -> Result<Stores, Fault> {
    use Liveness::{Dead, Unknown as Keep};
    let because = |liveness| Err(Fault::new(liveness, format!("HTTP {}", answer.status.as_u16())));
    let is_page = answer.body.trim_ascii_start().starts_with(b"<");
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Err(Fault {
            rate_limited: Some(RateLimited { retry_after: retry_after(answer, now) }),
            ..Fault::new(Keep(Unknown::Transient), "HTTP 429")
        }),
        _ if answer.is_outage() => because(Keep(Unknown::Transient)),
        StatusCode::UNAUTHORIZED if !is_page => because(Dead(OfflineReason::TokenRejected)),
        StatusCode::FORBIDDEN if !is_page => because(Dead(OfflineReason::PermissionMissing)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => because(Keep(Unknown::Inconclusive)),
        status if status.is_client_error() => because(Keep(Unknown::OurFault)),
        status if status.is_success() => stores(answer),
        _ => because(Keep(Unknown::Inconclusive)),
    }
}

fn stores(answer: &HttpAnswer) -> Result<Stores, Fault> {
    let odd = |class, what: &str| Fault::new(Liveness::Unknown(class), what);
    let body: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| odd(Unknown::Transient, "an answer that breaks off or is no JSON"))?;
    let (items, paging) = match serde_json::from_value(body) {
        Ok(Answer::Page { items, paging }) => (items, paging.and_then(Loose::value)),
        Ok(Answer::List(items)) => (items, None),
        Err(_) => return Err(odd(Unknown::Inconclusive, "an answer of another shape")),
    };
    let name = |store: Store| (store.id, store.name.and_then(Loose::value).unwrap_or_default());
    let mut stores: Vec<_> = items.into_iter().filter_map(Loose::value).map(name).collect();
    stores.sort();
    let cursor = paging.and_then(|paging| paging.next_cursor).and_then(Loose::value);
    Ok(Stores { stores, more: cursor.is_some_and(|cursor| !cursor.is_empty()) })
}

impl Fault {
    fn new(liveness: Liveness, cause: impl Into<String>) -> Self {
        Self { liveness, cause: Cause::new(cause), rate_limited: None }
    }
}

impl From<Fault> for CheckAnswer {
    fn from(Fault { liveness, cause, rate_limited }: Fault) -> Self {
        Self { cause: Some(cause), rate_limited, ..Self::of(liveness) }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_320_960).unwrap()
    }

    fn answer(status: u16, body: &str) -> HttpAnswer {
        let status = StatusCode::from_u16(status).unwrap();
        HttpAnswer { status, headers: HeaderMap::new(), body: Zeroizing::new(body.as_bytes().to_vec()) }
    }

    fn name(body: &str) -> String {
        read(&answer(200, body), now()).unwrap().account().first_name
    }

    fn meaning(status: u16, body: &str) -> Liveness {
        read(&answer(status, body), now()).unwrap_err().liveness
    }

    #[test]
    fn both_shapes_of_the_list_are_read_and_what_is_unknown_passed_over() {
        let list =
            r#"[{"id":"b","name":"Склад","address":7},{"id":"a","name":"Лавка"},{"name":"без id"},null]"#;
        let page = format!(r#"{{"items":{list},"paging":{{}},"more":1}}"#);
        for body in [list, &page, &format!(r#"{{"items":{list},"paging":7}}"#)] {
            let account = read(&answer(200, body), now()).unwrap().account();
            assert_eq!((account.id.as_str(), account.first_name.as_str()), ("a", "Лавка, Склад"));
        }
    }

    #[test]
    fn a_list_with_further_pages_says_that_there_are_more() {
        let body = r#"{"items":[{"id":"a","name":"Лавка"}],"paging":{"next_cursor":"c"}}"#;
        assert_eq!(name(body), "Лавка, …");
        assert_eq!(name(r#"{"items":[],"paging":{"next_cursor":""}}"#), "");
    }

    #[test]
    fn only_the_api_itself_ends_a_token() {
        use Liveness::{Dead, Unknown as Keep};
        let refused = r#"{"errors":[{"code":1001}]}"#;
        assert_eq!(meaning(401, refused), Dead(OfflineReason::TokenRejected));
        assert_eq!(meaning(401, ""), Dead(OfflineReason::TokenRejected));
        assert_eq!(meaning(403, refused), Dead(OfflineReason::PermissionMissing));
        for status in [401, 403] {
            assert_eq!(meaning(status, "\n<html>blocked"), Keep(Unknown::Inconclusive), "{status}");
        }
        for status in [400, 404, 405, 406, 415, 422] {
            assert_eq!(meaning(status, refused), Keep(Unknown::OurFault), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(meaning(status, refused), Keep(Unknown::Transient), "{status}");
        }
        assert_eq!(meaning(302, ""), Keep(Unknown::Inconclusive));
        for (body, class) in [
            (r#"{"items":[{"id":"a""#, Unknown::Transient),
            ("", Unknown::Transient),
            ("<html>", Unknown::Transient),
            (r#"{"errors":[]}"#, Unknown::Inconclusive),
            ("7", Unknown::Inconclusive),
        ] {
            assert_eq!(meaning(200, body), Keep(class), "{body}");
        }
    }

    #[test]
    fn the_end_of_a_window_is_seconds_from_now_or_an_instant() {
        let wait = |headers: &[(&'static str, &str)]| {
            let mut limited = answer(429, "");
            for (name, value) in headers {
                limited.headers.insert(*name, value.parse().unwrap());
            }
            read(&limited, now()).unwrap_err().rate_limited.unwrap().retry_after
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(&[("x-ratelimit-reset", "7")]), seconds(7));
        assert_eq!(wait(&[("x-ratelimit-reset", "1795320990")]), seconds(30));
        assert_eq!(wait(&[("x-ratelimit-reset", "7"), ("retry-after", "3")]), seconds(3));
        for unusable in ["", "soon", "-1", "1795320960000", "86400"] {
            assert_eq!(wait(&[("x-ratelimit-reset", unusable)]), None, "{unusable}");
        }
    }
}
