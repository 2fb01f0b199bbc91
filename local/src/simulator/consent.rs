//! The page on which a person is asked, and what they say.

use std::collections::HashMap;

use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use crate::pages::page;

/// What is asked, and of whom it may be asked.
pub(crate) struct Consent<'a> {
    /// The service's template, which extends `consent.html`.
    pub(crate) template: &'static str,
    /// Where the answer is posted to.
    pub(crate) action: &'static str,
    /// What it carries along.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// The people, by number and name.
    pub(crate) accounts: Vec<(u64, String)>,
    /// The rights, by name and title, that can be unticked.
    pub(crate) rights: Vec<(&'static str, &'static str)>,
}

/// What the person decides, of what an application asked for.
#[derive(Deserialize)]
pub(crate) struct Decision<A> {
    #[serde(flatten)]
    pub(crate) asked: A,
    account: Option<u64>,
    #[serde(rename = "decision")]
    said: String,
    /// The rights whose boxes are ticked, among other fields.
    #[serde(flatten)]
    fields: HashMap<String, String>,
}

impl<A> Decision<A> {
    /// Whose consent it is; `None` where the person refuses.
    pub(crate) fn allowed(&self) -> Option<u64> {
        self.account.filter(|_| self.said == "allow")
    }

    /// Whether the box of a right is ticked.
    pub(crate) fn ticked(&self, right: &str) -> bool {
        self.fields.contains_key(right)
    }
}

impl Consent<'_> {
    pub(crate) fn page(self) -> Response {
        page(
            self.template,
            json!({
                "action": self.action,
                "fields": self.fields,
                "accounts": self.accounts,
                "rights": self.rights,
            }),
        )
    }
}
