//! Rows, and the way from and to the domain's types.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

use super::attributes::{account_id, connection as c, session as a};
use crate::domain::{
    Account, AttemptId, Connection, Expiry, Generation, OfflineReason, Provider, Scopes, Session,
    SessionCredential, SessionId, SessionLimits, UserId,
};

pub(super) type Item = HashMap<String, AttributeValue>;

/// What the sweep and the pages read of a connection, beside the token.
pub(super) fn connection_projection() -> String {
    let accounts = Provider::ALL.iter().map(|provider| account_id(provider.key()));
    let common = [
        c::USER_ID,
        c::PROVIDER,
        c::FIRST_NAME,
        c::LAST_NAME,
        c::IS_ONLINE,
        c::OFFLINE_REASON,
        c::CONNECTED_AT,
        c::UPDATED_AT,
        c::LAST_CHECKED_AT,
        c::TOKEN_EXPIRES_AT,
        c::ACCESS_EXPIRES_AT,
        c::GENERATION,
        c::SCOPES,
    ];
    common.map(str::to_owned).into_iter().chain(accounts).collect::<Vec<_>>().join(", ")
}

/// The key of no row, which warming up reads and refuses to write.
pub(super) const NOBODY: &str = "warm-up";

/// A row of `SESSIONS_TABLE` outlives what it stands for by this much, so that the table's TTL never
/// ends anything early and a repeated callback is still known.
pub(super) const KEEP_AFTER: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn n(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn b(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Epoch seconds: how `SESSIONS_TABLE` keeps time, as its TTL must.
pub(super) fn seconds(time: Timestamp) -> AttributeValue {
    n(time.as_second())
}

/// RFC 3339 in UTC, whole seconds: how `CONNECTIONS_TABLE` keeps time.
pub(super) fn rfc3339(time: Timestamp) -> AttributeValue {
    s(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) fn connection_key(user: &UserId, provider: Provider) -> Item {
    HashMap::from([(c::USER_ID.to_owned(), s(user.as_str())), (c::PROVIDER.to_owned(), s(provider.key()))])
}

pub(super) fn session_key(session: &SessionId) -> Item {
    id_key(format!("session:{}", session.as_str()))
}

pub(super) fn attempt_key(attempt: &AttemptId) -> Item {
    id_key(format!("attempt:{}", attempt.as_str()))
}

pub(super) fn id_key(id: String) -> Item {
    HashMap::from([(a::ID.to_owned(), s(id))])
}

/// The condition that a session row is the credential's and within its limits, as every
/// transaction checks it. Its values are [`session_is_live_values`].
pub(super) fn session_is_live() -> String {
    format!(
        "{} = :user AND {} > :born_after AND {} > :seen_after",
        a::USER_ID,
        a::CREATED_AT,
        a::LAST_SEEN_AT
    )
}

pub(super) fn session_is_live_values(
    credential: &SessionCredential,
    limits: SessionLimits,
    now: Timestamp,
) -> Item {
    HashMap::from([
        (":user".to_owned(), s(credential.user().as_str())),
        (":born_after".to_owned(), seconds(now - limits.absolute)),
        (":seen_after".to_owned(), seconds(now - limits.idle)),
    ])
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn blob(item: &Item, name: &str) -> Option<Vec<u8>> {
    item.get(name)?.as_b().ok().map(|blob| blob.as_ref().to_vec())
}

pub(super) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn epoch(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(number(item, name)?).ok()
}

pub(super) fn time(item: &Item, name: &str) -> Option<Timestamp> {
    text(item, name)?.parse().ok()
}

pub(super) fn session(item: &Item) -> Option<Session> {
    Some(Session {
        user: UserId::parse(text(item, a::USER_ID)?)?,
        display_name: text(item, a::DISPLAY_NAME).unwrap_or_default().to_owned(),
        zone: text(item, a::ZONE).map(str::to_owned),
        created_at: epoch(item, a::CREATED_AT)?,
        last_seen_at: epoch(item, a::LAST_SEEN_AT)?,
    })
}

pub(super) fn generation(item: &Item) -> Option<Generation> {
    text(item, c::GENERATION).map(Generation::from_stored)
}

/// The connection of a row; `None` for the row of a provider this build does not know. A row with
/// sound keys that lacks what a connection needs is an unreadable one: without its generation, for one,
/// its token can neither be opened nor checked.
pub(super) fn connection(item: &Item) -> Option<Connection> {
    let user = UserId::parse(text(item, c::USER_ID)?)?;
    let provider = Provider::from_key(text(item, c::PROVIDER)?)?;
    let online = item.get(c::IS_ONLINE).and_then(|value| value.as_bool().ok());
    let account = account(item, provider).filter(|_| generation(item).is_some());
    let Some((account, is_online)) = account.zip(online) else {
        return Some(Connection::unreadable(user, provider));
    };
    Some(Connection {
        user,
        provider,
        account,
        is_online: *is_online,
        offline_reason: text(item, c::OFFLINE_REASON).and_then(OfflineReason::from_code),
        connected_at: time(item, c::CONNECTED_AT),
        updated_at: time(item, c::UPDATED_AT),
        last_checked_at: time(item, c::LAST_CHECKED_AT),
        expiry: expiry(item),
        scopes: text(item, c::SCOPES).map(Scopes::parse),
    })
}

/// The account of a connection's row.
pub(super) fn account(item: &Item, provider: Provider) -> Option<Account> {
    let name = |attribute| text(item, attribute).unwrap_or_default();
    let id = text(item, &account_id(provider.key()))?;
    Some(Account::new(id, name(c::FIRST_NAME), name(c::LAST_NAME)))
}

/// Which of the two attributes holds the time says whether the token can be renewed.
fn expiry(item: &Item) -> Option<Expiry> {
    let renewable = time(item, c::ACCESS_EXPIRES_AT).map(|at| Expiry { at, renewable: true });
    renewable.or_else(|| time(item, c::TOKEN_EXPIRES_AT).map(|at| Expiry { at, renewable: false }))
}

/// The attribute of an expiry, and its value.
pub(super) fn expiry_attribute(expiry: Expiry) -> (&'static str, AttributeValue) {
    let name = if expiry.renewable { c::ACCESS_EXPIRES_AT } else { c::TOKEN_EXPIRES_AT };
    (name, rfc3339(expiry.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attributes: &[(&str, AttributeValue)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn times_are_whole_seconds_of_utc() {
        let time: Timestamp = "2026-11-22T04:16:00.987654321Z".parse().unwrap();
        assert_eq!(rfc3339(time), s("2026-11-22T04:16:00Z"));
        assert_eq!(seconds(time), n(time.as_second()));
    }

    #[test]
    fn a_row_of_bare_keys_is_an_unreadable_connection() {
        let item = row(&[("user_id", s("u")), ("provider", s("vk"))]);
        let connection = connection(&item).unwrap();
        assert_eq!(connection.offline_reason, Some(OfflineReason::Unreadable));
    }

    #[test]
    fn a_row_of_another_provider_is_passed_over() {
        assert!(connection(&row(&[("user_id", s("u")), ("provider", s("of a later build"))])).is_none());
    }
}
