//! What pages say of a provider.

use serde::Serialize;

use crate::domain::{ErrorCode, OfflineReason};

/// Everything a page says that is not the same for every provider. Templates are given these words
/// and never a provider's name, so that a new provider needs no template.
///
/// The two functions are exhaustive matches: a code or a reason without words does not compile.
#[derive(Serialize)]
pub struct Words {
    /// What merchants call the provider.
    pub title: &'static str,
    /// A picture beside the title: SVG of the product's own, which is not escaped.
    pub icon: &'static str,
    /// What an account's name is the name of.
    pub account: &'static str,
    /// What the provider calls the number of an account; `None` where a merchant does not know it by one.
    pub account_id: Option<&'static str>,
    /// What an account is good for, in one line.
    pub purpose: &'static str,
    /// Why to connect an account.
    pub invitation: &'static str,
    /// What happens then, and that it can be undone.
    pub steps: &'static [&'static str],
    /// The button that connects.
    pub connect: &'static str,
    /// The button that disconnects.
    pub disconnect: &'static str,
    /// What a right is called that may be granted; `None` for one that merchants need not know of.
    #[serde(skip)]
    pub scope: fn(&str) -> Option<&'static str>,
    /// Why connecting failed.
    #[serde(skip)]
    pub error: fn(ErrorCode) -> Message,
    /// Why a connection does not work.
    #[serde(skip)]
    pub offline: fn(OfflineReason) -> Message,
}

/// What happened, and what to do next.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// What happened.
    pub title: &'static str,
    /// What to do next.
    pub advice: &'static str,
}

impl Message {
    /// A message.
    pub const fn new(title: &'static str, advice: &'static str) -> Self {
        Self { title, advice }
    }
}
