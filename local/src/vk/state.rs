//! VK's state: accounts, codes, tokens, and the fault it is in.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::VariantArray;
use tokio::sync::watch;

use super::vk_id::VkId;

const CALLS_KEPT: usize = 20_000;

/// Everything VK knows.
#[derive(Serialize, Deserialize)]
pub(super) struct VkState {
    pub(super) accounts: Vec<Account>,
    pub(super) tokens: HashMap<String, Token>,
    #[serde(default)]
    pub(super) vk_id: VkId,
    #[serde(skip)]
    pub(super) codes: HashMap<String, Code>,
    #[serde(skip)]
    pub(super) fault: Fault,
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

/// What is wrong with VK: how it answers, to everybody.
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

impl Fault {
    /// What the control page calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::None => "исправен",
            Self::Slow => "отвечает через 2 секунды",
            Self::Silent => "не отвечает",
            Self::Down => "лежит (502)",
            Self::Maintenance => "на обслуживании (503)",
            Self::RateLimited => "ограничивает частоту (ошибка 6)",
            Self::Garbled => "отвечает неразборчиво",
            Self::Challenge => "показывает проверку на робота",
            Self::Redirecting => "перенаправляет на другой адрес",
            Self::Endless => "отвечает без конца",
        }
    }
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

impl VkState {
    /// The state of a file, or a new one with demo accounts.
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        match file {
            Some(file) if file.exists() => Ok(serde_json::from_slice(&fs::read(file)?)?),
            _ => Ok(Self::new()),
        }
    }

    /// Keeps the state in a file.
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
            vk_id: VkId::default(),
            codes: HashMap::new(),
            fault: Fault::None,
            calls: Vec::new(),
            called: watch::Sender::new(0),
        }
    }
}
