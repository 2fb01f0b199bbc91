//! VK's state: accounts, codes and tokens.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::vk_id::VkId;

/// Everything VK knows.
#[derive(Serialize, Deserialize)]
pub(super) struct VkState {
    pub(super) accounts: Vec<Account>,
    pub(super) tokens: HashMap<String, Token>,
    #[serde(default)]
    pub(super) vk_id: VkId,
    #[serde(skip)]
    pub(super) codes: HashMap<String, Code>,
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

impl Account {
    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

impl VkState {
    pub(super) fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }
}

impl Default for VkState {
    /// Demo accounts.
    fn default() -> Self {
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
        }
    }
}
