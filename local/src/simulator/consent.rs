//! The page on which a person is asked.

use axum::response::Response;
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
