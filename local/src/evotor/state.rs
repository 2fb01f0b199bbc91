//! Evotor's state: merchants and their stores, codes, tokens.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grants::Grants;
use super::switch::Switch;
use super::{HOSTILE, NEWCOMER, ROMASHKA, SMIRNOVA};
use crate::simulator::Trouble;

const PAGE_SIZE: usize = 100;

/// Everything Evotor knows.
#[derive(Serialize, Deserialize)]
pub(super) struct EvotorState {
    pub(super) accounts: Vec<Account>,
    pub(super) grants: Grants,
    #[serde(skip)]
    pub(super) codes: HashMap<String, Code>,
    #[serde(skip)]
    pub(super) ways: Ways,
}

/// A merchant at Evotor.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) name: String,
    /// The names of the stores.
    pub(super) stores: Vec<String>,
    /// Whether the application lacks the right to see the stores.
    pub(super) forbidden: bool,
}

/// What a code stands for until it is exchanged.
pub(super) struct Code {
    pub(super) account: u64,
    pub(super) redirect_uri: String,
    pub(super) expires_at: Timestamp,
}

/// How Evotor goes about things.
pub(super) struct Ways {
    pub(super) trouble: Trouble<Switch>,
    /// How many stores a page has.
    pub(super) page_size: usize,
}

impl Account {
    fn new(id: u64, name: &str, stores: &[&str]) -> Self {
        let stores = stores.iter().map(|store| (*store).to_owned()).collect();
        Self { id, name: name.to_owned(), stores, forbidden: false }
    }
}

impl EvotorState {
    pub(super) fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }
}

impl Default for EvotorState {
    /// Demo merchants.
    fn default() -> Self {
        let very_long = "Очень длинный магазин ".repeat(40);
        let hostile = ["<b>Лавка</b> & \"Ко\"", "\u{202e}Магазин", very_long.trim_end()];
        Self {
            accounts: vec![
                Account::new(SMIRNOVA, "ИП Смирнова", &["Лавка на Мира", "Склад"]),
                Account::new(ROMASHKA, "ООО Ромашка", &["Ромашка"]),
                Account::new(NEWCOMER, "Новичок", &[]),
                Account::new(HOSTILE, "ООО <b>Вектор", &hostile),
            ],
            grants: Grants::default(),
            codes: HashMap::new(),
            ways: Ways::default(),
        }
    }
}

impl Default for Ways {
    fn default() -> Self {
        let mut trouble = Trouble::default();
        trouble.set(Switch::Rotate, true);
        Self { trouble, page_size: PAGE_SIZE }
    }
}
