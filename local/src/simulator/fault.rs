//! The faults that a whole service can be in.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use evosync_connections::platform::Clock;
use futures_util::stream;
use serde_json::Value;
use strum::VariantArray;

use super::control::Choice;

/// What is wrong with a service: how it answers, to everybody.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, strum::EnumString, strum::IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// Nothing: it answers as it should.
    #[default]
    None,
    /// It answers after two seconds.
    Slow,
    /// It does not answer.
    Silent,
    /// It answers with an outage page of status 502.
    Down,
    /// It answers every request with status 503 and the error that blames the application.
    Maintenance,
    /// It answers "too many requests per second".
    RateLimited,
    /// It sends half of an answer.
    Garbled,
    /// It answers with an anti-bot page.
    Challenge,
    /// It redirects to another host.
    Redirecting,
    /// It sends an answer that never ends.
    Endless,
}

/// How a service says what is wrong, where each has words of its own.
pub(crate) struct OwnWords {
    /// The body that comes with status 503.
    pub(crate) maintenance: Value,
    /// The answer to whoever asks too often.
    pub(crate) rate_limited: fn() -> Response,
    /// Half of an answer.
    pub(crate) half: &'static str,
}

impl Choice for Fault {
    fn title(self) -> &'static str {
        match self {
            Self::None => "исправен",
            Self::Slow => "отвечает через 2 секунды",
            Self::Silent => "не отвечает",
            Self::Down => "лежит (502)",
            Self::Maintenance => "на обслуживании (503)",
            Self::RateLimited => "ограничивает частоту",
            Self::Garbled => "отвечает неразборчиво",
            Self::Challenge => "показывает проверку на робота",
            Self::Redirecting => "перенаправляет на другой адрес",
            Self::Endless => "отвечает без конца",
        }
    }
}

impl Fault {
    /// What a service in this fault answers to anything; `None` where it answers as it should.
    pub(super) async fn answer(self, clock: &Clock, home: &str, words: &OwnWords) -> Option<Response> {
        let answer = match self {
            Self::None => return None,
            Self::Slow => {
                clock.sleep(Duration::from_secs(2)).await;
                return None;
            }
            Self::Silent => std::future::pending().await,
            Self::Down => (StatusCode::BAD_GATEWAY, Html("<h1>502 Bad Gateway</h1>")).into_response(),
            Self::Maintenance => (StatusCode::SERVICE_UNAVAILABLE, Json(&words.maintenance)).into_response(),
            Self::RateLimited => (words.rate_limited)(),
            Self::Garbled => words.half.into_response(),
            Self::Challenge => {
                ([("X-Challenge", "required")], Html("<h1>Are you a robot?</h1>")).into_response()
            }
            Self::Redirecting => {
                (StatusCode::FOUND, [(header::LOCATION, format!("{home}/control"))]).into_response()
            }
            Self::Endless => {
                let chunks = stream::repeat_with(|| Ok::<_, Infallible>(" ".repeat(16_384)));
                Body::from_stream(chunks).into_response()
            }
        };
        Some(answer)
    }
}

/// An answer that is never sent: a body that fails before its first byte makes the server close the
/// connection without the head either.
pub(crate) fn broken_off() -> Response {
    let broken = stream::once(std::future::ready(Err::<String, _>(std::io::Error::other("lost"))));
    Body::from_stream(broken).into_response()
}
