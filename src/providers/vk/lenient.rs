//! Fields that VK has spelled in more than one way.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A number or a text, which may stand for a number. Anything else counts as not given: no such
/// field is worth losing an answer for.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Lenient {
    Number(i64),
    Text(String),
    Other(IgnoredAny),
}

impl Lenient {
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Other(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Other(_) => None,
        }
    }
}
