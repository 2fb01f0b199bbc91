//! What may happen to a connection: the one table that audit lines, events and metrics follow.

use serde::Serialize;
use strum::VariantArray;

/// What happened to a connection. Its name is the metric's; the event's and the audit line's are
/// derived from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr, VariantArray)]
pub enum Change {
    /// An account was connected where none was, or a lost row was restored.
    Connected,
    /// A connection's account and tokens were replaced.
    Reconnected,
    /// The connection was removed.
    Disconnected,
    /// The sweep found that the token no longer works.
    Broken,
    /// The sweep found that a broken token works again.
    Recovered,
}

/// What of a connection's row tells one state from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowState<'a> {
    /// The row's generation; `None` in a damaged row.
    pub generation: Option<&'a str>,
    /// Whether the token works, as far as is known.
    pub is_online: Option<bool>,
}

impl Change {
    /// What happened between two states of a row; `None` for a write that changed neither, such as a
    /// noted check or a re-encryption.
    pub fn between(before: Option<&RowState<'_>>, after: Option<&RowState<'_>>) -> Option<Self> {
        let (before, after) = match (before, after) {
            (None, None) => return None,
            (None, Some(_)) => return Some(Self::Connected),
            (Some(_), None) => return Some(Self::Disconnected),
            (Some(before), Some(after)) => (before, after),
        };
        if before.generation != after.generation {
            return Some(Self::Reconnected);
        }
        match (before.is_online, after.is_online) {
            (Some(true), Some(false)) => Some(Self::Broken),
            (Some(false), Some(true)) => Some(Self::Recovered),
            _ => None,
        }
    }

    /// The name, as in the metric.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The `detail-type` of its event.
    pub fn detail_type(self) -> String {
        format!("Connection {}", self.name())
    }

    /// The `event` of its audit line.
    pub fn audit_event(self) -> String {
        self.name().to_lowercase()
    }
}

/// Who changes a connection, and in the course of what: written with the change, so that its event can
/// say so.
#[derive(Clone, Copy, Debug)]
pub struct ChangedBy<'a> {
    /// Who.
    pub actor: Actor,
    /// The request or sweep, as log lines have it.
    pub correlation_id: &'a str,
}

/// Who changed a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Actor {
    /// The merchant.
    Person,
    /// The health check.
    Sweep,
    /// A sync worker, by a token that its provider refused.
    Worker,
    /// An operator: by a command, or by hand.
    Operator,
}

/// A change that was committed, with nothing of the tokens in it. As JSON it is the `detail` of its
/// event, whose schema is in `docs/events.md`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Changed {
    /// The schema's version.
    pub version: u8,
    /// Names the change; the same in every delivery.
    pub id: String,
    /// Grows from change to change of one connection. Digits, to be compared as numbers.
    pub sequence: String,
    /// When it was committed, RFC 3339 in UTC.
    pub at: String,
    /// What happened.
    #[serde(skip)]
    pub change: Change,
    /// Whose connection.
    pub user: String,
    /// To which provider.
    pub provider: String,
    /// The account's number at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// When the account was connected last, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<String>,
    /// Changes with every (re)connection: tokens obtained for another generation are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Why it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it; `None` where a build before this one wrote the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// The request or sweep that did it, as log lines have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl Changed {
    /// The version of the schema in `docs/events.md`.
    pub const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(generation: &str, is_online: bool) -> RowState<'_> {
        RowState { generation: Some(generation), is_online: Some(is_online) }
    }

    #[test]
    fn every_pair_of_states_is_one_change_or_none() {
        let (green, red) = (state("1", true), state("1", false));
        let (newer, newer_red) = (state("2", true), state("2", false));
        let table = [
            (None, None, None),
            (None, Some(&green), Some(Change::Connected)),
            (None, Some(&red), Some(Change::Connected)),
            (Some(&green), None, Some(Change::Disconnected)),
            (Some(&red), None, Some(Change::Disconnected)),
            (Some(&green), Some(&green), None),
            (Some(&red), Some(&red), None),
            (Some(&green), Some(&red), Some(Change::Broken)),
            (Some(&red), Some(&green), Some(Change::Recovered)),
            (Some(&green), Some(&newer), Some(Change::Reconnected)),
            (Some(&red), Some(&newer), Some(Change::Reconnected)),
            (Some(&green), Some(&newer_red), Some(Change::Reconnected)),
        ];
        for (before, after, change) in table {
            assert_eq!(Change::between(before, after), change, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_change_has_one_name_in_three_spellings() {
        assert_eq!(Change::Broken.name(), "Broken");
        assert_eq!(Change::Broken.detail_type(), "Connection Broken");
        assert_eq!(Change::Broken.audit_event(), "broken");
    }
}
