//! The API: the stores of the merchant whose token it is. Errors come as Evotor's numbers.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Evotor;
use super::state::{Account, Ways};
use super::switch::Switch;

const MEDIA_TYPE: &str = "application/vnd.evotor.v2+json";
/// The error of a token that is not, or no longer, good.
const WRONG_TOKEN: u32 = 1001;
/// The error of a request that makes no sense.
const WRONG_REQUEST: u32 = 2001;

#[derive(Deserialize)]
pub(super) struct Asked {
    cursor: Option<String>,
}

/// A status, and Evotor's number for what is wrong, where it has one.
struct Failure(StatusCode, Option<u32>);

/// `GET /stores`.
pub(super) async fn list(
    State(evotor): State<Evotor>,
    RawQuery(query): RawQuery,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    if let Some(answer) = evotor.turned_away("GET", "/stores", query.as_deref()).await {
        return answer;
    }
    let answer = match evotor.stores(&headers, asked) {
        Ok(stores) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], Json(stores)).into_response(),
        Err(failure) => failure.answer(),
    };
    evotor.shared.answers.released().await;
    answer
}

/// What whoever asks too often is told: when the window ends, in seconds.
pub(super) fn rate_limited() -> Response {
    let headers = [("X-RateLimit-Limit", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "7")];
    (headers, Failure(StatusCode::TOO_MANY_REQUESTS, None).answer()).into_response()
}

impl Failure {
    fn answer(&self) -> Response {
        let errors: Vec<_> = self.1.iter().map(|code| json!({ "code": code })).collect();
        (self.0, Json(json!({ "errors": errors }))).into_response()
    }
}

impl Evotor {
    fn stores(
        &self,
        headers: &HeaderMap,
        asked: Result<Query<Asked>, QueryRejection>,
    ) -> Result<Value, Failure> {
        let accepted = text(headers, "accept").unwrap_or_default();
        if !accepted.starts_with(MEDIA_TYPE) {
            return Err(Failure(StatusCode::NOT_ACCEPTABLE, None));
        }
        let state = self.shared.state();
        let owner = token(headers).and_then(|token| state.grants.owner(token, self.shared.clock.now()));
        let account = owner.and_then(|owner| state.account(owner));
        let account = account.ok_or(Failure(StatusCode::UNAUTHORIZED, Some(WRONG_TOKEN)))?;
        if account.forbidden {
            return Err(Failure(StatusCode::FORBIDDEN, None));
        }
        let wrong = || Failure(StatusCode::BAD_REQUEST, Some(WRONG_REQUEST));
        let Query(asked) = asked.map_err(|_| wrong())?;
        account.page(&state.ways, asked.cursor.as_deref()).ok_or_else(wrong)
    }
}

impl Account {
    /// A page of the stores; `None` where there is no such cursor. A bare array has no room for a cursor, and
    /// is of all stores.
    fn page(&self, ways: &Ways, cursor: Option<&str>) -> Option<Value> {
        let stores = self.stores.iter().enumerate().map(|(number, name)| self.store(number, name));
        if ways.trouble.is_on(Switch::BareStores) {
            return Some(stores.collect());
        }
        let start = cursor.map_or(Some(0), |cursor| cursor.strip_prefix("after-")?.parse().ok())?;
        let end = usize::saturating_add(start, ways.page_size);
        let items: Vec<_> = stores.skip(start).take(ways.page_size).collect();
        let mut paging = json!({});
        if end < self.stores.len() {
            paging["next_cursor"] = json!(format!("after-{end}"));
        }
        Some(json!({ "items": items, "paging": paging }))
    }

    fn store(&self, number: usize, name: &str) -> Value {
        json!({
            "id": format!("20170222-D58C-40E0-{:04X}-{:012X}", number, self.id),
            "name": name,
            "address": format!("Томск, проспект Мира, {}", number + 1),
        })
    }
}

/// The access token of a request, by either header.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| text(headers, "x-authorization"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
