//! VK's memory: accounts, codes, tokens, and the weather.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const CALLS_KEPT: usize = 20_000;

/// Everything VK knows.
#[derive(Serialize, Deserialize)]
pub(super) struct World {
    pub(super) accounts: Vec<Account>,
    pub(super) tokens: HashMap<String, Token>,
    #[serde(skip)]
    pub(super) codes: HashMap<String, Code>,
    #[serde(skip)]
    pub(super) weather: Weather,
    #[serde(skip)]
    pub(super) calls: Vec<Call>,
    #[serde(skip)]
    pub(super) called: watch::Sender<usize>,
}

/// A person at VK.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) first_name: String,
    pub(super) last_name: String,
    /// `banned` or `deleted`.
    pub(super) deactivated: Option<String>,
    /// The API error its tokens are answered with.
    pub(super) error: Option<i64>,
}

/// An access token.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Token {
    pub(super) account: u64,
    pub(super) permissions: u32,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked: bool,
}

/// An authorization code.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) account: u64,
    pub(super) permissions: u32,
    pub(super) redirect_uri: String,
    pub(super) expires_at: Timestamp,
}

/// How VK answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weather {
    /// As it should.
    #[default]
    Fair,
    /// After two seconds.
    Slow,
    /// Not at all.
    Silent,
    /// With an outage page of status 502.
    Down,
    /// With "too many requests per second".
    RateLimited,
    /// With half of an answer.
    Garbled,
    /// With an anti-bot page.
    Challenge,
    /// With a redirect to another host.
    Redirecting,
    /// With an answer that never ends.
    Endless,
}

impl Weather {
    pub(super) const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Fair, "fair", "исправен"),
        (Self::Slow, "slow", "отвечает через 2 секунды"),
        (Self::Silent, "silent", "не отвечает"),
        (Self::Down, "down", "лежит (502)"),
        (Self::RateLimited, "rate-limited", "ограничивает частоту (ошибка 6)"),
        (Self::Garbled, "garbled", "отвечает неразборчиво"),
        (Self::Challenge, "challenge", "показывает проверку на робота"),
        (Self::Redirecting, "redirecting", "перенаправляет на другой адрес"),
        (Self::Endless, "endless", "отвечает без конца"),
    ];
}

/// What VK was asked, as far as a test may care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub http_method: String,
    /// The path, such as `/method/users.get`.
    pub path: String,
    /// The query string.
    pub query: String,
}

impl World {
    /// The world of a file, or a new one with demo accounts.
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        match file {
            Some(file) if file.exists() => Ok(serde_json::from_slice(&fs::read(file)?)?),
            _ => Ok(Self::new()),
        }
    }

    /// Keeps the world in a file.
    pub(super) fn keep(&self, file: &Path) -> io::Result<()> {
        crate::net::write_private(file, &serde_json::to_string_pretty(self)?)
    }

    pub(super) fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// Notes a call, and forgets the oldest ones of a stack that has run for days.
    pub(super) fn note(&mut self, call: Call) {
        if self.calls.len() >= 2 * CALLS_KEPT {
            self.calls.drain(..CALLS_KEPT);
        }
        self.calls.push(call);
        self.called.send_replace(self.calls.len());
    }

    fn new() -> Self {
        let account = |id, first_name: &str, last_name: &str| Account {
            id,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            deactivated: None,
            error: None,
        };
        Self {
            accounts: vec![
                account(1_000_001, "Анна", "Смирнова"),
                account(1_000_002, "Иван", "Петров"),
                account(1_000_003, "Ольга <b>", "\u{202e}Кузнецова"),
            ],
            tokens: HashMap::new(),
            codes: HashMap::new(),
            weather: Weather::Fair,
            calls: Vec::new(),
            called: watch::Sender::new(0),
        }
    }
}
