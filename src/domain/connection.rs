//! A merchant's account at a provider, and how it is doing.

use jiff::{SignedDuration, Timestamp};

use super::{OfflineReason, Provider, Scopes, UserId};

/// After as many sweeps without a conclusive answer a connection is no longer called working.
const STALE_AFTER_SWEEPS: i32 = 3;

/// How often connections are to be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cadence {
    /// The period of the sweep.
    pub sweep: SignedDuration,
    /// The age of a last proof at which lapsed tokens are renewed that nobody has needed in the meantime.
    pub renewal: SignedDuration,
}

/// How long before its end the person is told of it, where only they can renew the access.
const WARNED_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// A broken connection is asked about once a day at least.
const LONGEST_CHECK_PERIOD: SignedDuration = SignedDuration::from_hours(24);

/// A stored connection, without its token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// The merchant it belongs to.
    pub user: UserId,
    /// Where to.
    pub provider: Provider,
    /// The account at the provider.
    pub account: Account,
    /// The last conclusive verdict on the token.
    pub is_online: bool,
    /// Why the connection is offline, where the verdict said.
    pub offline_reason: Option<OfflineReason>,
    /// When the account was last (re)connected.
    pub connected_at: Option<Timestamp>,
    /// The last (re)connection or change of the verdict: for an offline connection, since when it is.
    pub updated_at: Option<Timestamp>,
    /// When there last was a conclusive verdict: an answer of the provider's, or a token that has
    /// expired or cannot be read.
    pub last_checked_at: Option<Timestamp>,
    /// When the access token lapses by itself; `None` for one that does not.
    pub expiry: Option<Expiry>,
    /// What was granted, as far as is known.
    pub scopes: Option<Scopes>,
}

/// The end of an access token's own time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expiry {
    /// When it lapses.
    pub at: Timestamp,
    /// Whether a refresh token is stored, which gets a new one.
    pub renewable: bool,
}

impl Expiry {
    /// Whether the connection has come to its end with the access token. Where that can be renewed, its
    /// end says nothing: only the provider's answer does.
    pub fn is_fatal(self, now: Timestamp) -> bool {
        !self.renewable && self.at <= now
    }
}

/// An account at a provider, as its profile names it. Names are hostile input: escape them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// The provider's number for it.
    pub id: String,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
}

impl Account {
    /// The longest part of a name kept, in characters. VK allows far less.
    pub(crate) const MAX_NAME: usize = 100;

    /// An account with its names cut to a length a page can carry and cleaned of control characters.
    pub fn new(id: impl Into<String>, first_name: &str, last_name: &str) -> Self {
        Self { id: id.into(), first_name: Self::clean(first_name), last_name: Self::clean(last_name) }
    }

    /// Whether its names are others than were known. Where it comes without a name, those stay.
    pub fn renames(&self, known: &Self) -> bool {
        let names = (&*self.first_name, &*self.last_name);
        names != (&*known.first_name, &*known.last_name) && names != ("", "")
    }

    /// Both names, or the number where the provider gave none.
    pub fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => format!("id{}", self.id),
            name => name.to_owned(),
        }
    }

    /// The [name](Self::display_name); `None` where nothing at all is known, as of a row that cannot be read.
    pub fn known_name(&self) -> Option<String> {
        (*self != Self::default()).then(|| self.display_name())
    }

    /// The number; `None` where none is known.
    pub fn known_id(&self) -> Option<String> {
        (!self.id.is_empty()).then(|| self.id.clone())
    }

    fn clean(name: &str) -> String {
        name.chars().filter(|c| !c.is_control()).take(Self::MAX_NAME).collect()
    }
}

/// What a person is shown of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Green: the provider confirmed the token lately.
    Working,
    /// Amber: it works, and its access ends within a day, at this time, unless the person renews it.
    Expiring(Timestamp),
    /// Amber: nothing says it is broken, but it could not be checked lately.
    Unverified,
    /// Red: it needs the person.
    Broken(OfflineReason),
}

impl Connection {
    /// A row that cannot be read: shown as broken, so that reconnecting, which overwrites it,
    /// is the way out.
    pub fn unreadable(user: UserId, provider: Provider) -> Self {
        Self {
            user,
            provider,
            account: Account::default(),
            is_online: false,
            offline_reason: Some(OfflineReason::Unreadable),
            connected_at: None,
            updated_at: None,
            last_checked_at: None,
            expiry: None,
            scopes: None,
        }
    }

    /// Whether the access token's own time has run out and nothing can renew it: then the connection
    /// is offline, and nobody needs to ask the provider.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.expiry.is_some_and(|expiry| expiry.is_fatal(now))
    }

    /// Whether the access token's own time has run out and a renewal is to bring another. Until then there is
    /// nothing to ask the provider, and the last proof counts.
    pub fn awaits_renewal(&self, now: Timestamp) -> bool {
        self.is_online && self.expiry.is_some_and(|expiry| expiry.renewable && expiry.at <= now)
    }

    /// How often the connection is to be checked. One that works, in each sweep, unless it
    /// [awaits its renewal](Self::awaits_renewal); one that has been broken since a while, ever more seldom.
    pub fn check_period(&self, now: Timestamp, cadence: Cadence) -> SignedDuration {
        match self.updated_at.filter(|_| !self.is_online) {
            None if self.awaits_renewal(now) => cadence.renewal.max(cadence.sweep),
            None => cadence.sweep,
            Some(since) => now.duration_since(since).clamp(cadence.sweep, LONGEST_CHECK_PERIOD),
        }
    }

    /// How old a last proof may be. Each sweep brings one while the access token lives, and none between its end
    /// and its renewal: one that had not long to live by then is given the time until that.
    fn stale_after(&self, checked: Timestamp, cadence: Cadence) -> SignedDuration {
        let sweeps = cadence.sweep * STALE_AFTER_SWEEPS;
        let ends_soon =
            |expiry: Expiry| expiry.renewable && expiry.at.duration_since(checked) <= cadence.renewal;
        if self.expiry.is_some_and(ends_soon) { cadence.renewal + sweeps } else { sweeps }
    }

    /// Since when the connection is broken, where it is and that is known.
    pub fn broken_since(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.is_online {
            return self.updated_at;
        }
        self.expiry.filter(|expiry| expiry.is_fatal(now)).map(|expiry| expiry.at)
    }

    /// How the connection is doing at `now`.
    pub fn health(&self, now: Timestamp, cadence: Cadence) -> Health {
        if !self.is_online {
            return Health::Broken(self.offline_reason.unwrap_or(OfflineReason::TokenRejected));
        }
        if self.has_lapsed(now) {
            return Health::Broken(OfflineReason::TokenExpired);
        }
        if let Some(expiry) = self.expiry.filter(|expiry| expiry.is_fatal(now + WARNED_BEFORE)) {
            return Health::Expiring(expiry.at);
        }
        match self.last_checked_at {
            Some(checked) if now.duration_since(checked) < self.stale_after(checked, cadence) => {
                Health::Working
            }
            _ => Health::Unverified,
        }
    }
}

/// Changes with every (re)connection, so that a verdict on an old token never touches a new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation(String);

impl Generation {
    /// A generation of fresh random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(random)))
    }

    /// Takes a generation back from the store.
    pub fn from_stored(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Cadence =
        Cadence { sweep: SignedDuration::from_mins(15), renewal: SignedDuration::from_hours(12) };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn connected() -> Connection {
        Connection {
            user: UserId::parse("u").unwrap(),
            provider: Provider::Vk,
            account: Account::new("1", "Анна", "Смирнова"),
            is_online: true,
            offline_reason: None,
            connected_at: Some(at(0)),
            updated_at: Some(at(0)),
            last_checked_at: Some(at(0)),
            expiry: None,
            scopes: None,
        }
    }

    #[test]
    fn a_lately_confirmed_connection_works() {
        assert_eq!(connected().health(at(44), EVERY), Health::Working);
    }

    #[test]
    fn three_missed_sweeps_make_it_amber_and_not_red() {
        assert_eq!(connected().health(at(45), EVERY), Health::Unverified);
    }

    #[test]
    fn a_longer_period_is_more_patient() {
        let hourly = Cadence { sweep: SignedDuration::from_hours(1), ..EVERY };
        assert_eq!(connected().health(at(179), hourly), Health::Working);
        assert_eq!(connected().health(at(180), hourly), Health::Unverified);
    }

    #[test]
    fn a_broken_connection_is_checked_ever_more_seldom() {
        let broken = Connection { is_online: false, ..connected() };
        let period = |minutes| broken.check_period(at(minutes), EVERY);
        assert_eq!(period(1), EVERY.sweep);
        assert_eq!(period(60), SignedDuration::from_hours(1));
        assert_eq!(period(3 * 24 * 60), SignedDuration::from_hours(24));
        assert_eq!(connected().check_period(at(600), EVERY), EVERY.sweep);
    }

    #[test]
    fn an_expired_token_is_broken_before_any_sweep_says_so() {
        let expiry = Expiry { at: at(10), renewable: false };
        let connection = Connection { expiry: Some(expiry), ..connected() };
        assert_eq!(connection.health(at(9), EVERY), Health::Expiring(at(10)));
        assert_eq!(connection.health(at(10), EVERY), Health::Broken(OfflineReason::TokenExpired));
    }

    #[test]
    fn the_end_of_an_access_is_told_of_a_day_before() {
        let day = 24 * 60;
        let expiry = Expiry { at: at(3 * day), renewable: false };
        let connection =
            |checked| Connection { expiry: Some(expiry), last_checked_at: Some(at(checked)), ..connected() };
        assert_eq!(connection(2 * day - 1).health(at(2 * day - 1), EVERY), Health::Working);
        assert_eq!(connection(2 * day).health(at(2 * day), EVERY), Health::Expiring(at(3 * day)));
        let renewable = Some(Expiry { renewable: true, ..expiry });
        let renewed = Connection { expiry: renewable, ..connection(2 * day) };
        assert_eq!(renewed.health(at(2 * day), EVERY), Health::Working);
    }

    #[test]
    fn a_broken_connection_says_since_when() {
        let broken = Connection { is_online: false, updated_at: Some(at(7)), ..connected() };
        assert_eq!(broken.broken_since(at(9)), Some(at(7)));
        assert_eq!(connected().broken_since(at(9)), None);
        let expiry = Some(Expiry { at: at(8), renewable: false });
        let expired = Connection { expiry, ..connected() };
        assert_eq!((expired.broken_since(at(7)), expired.broken_since(at(9))), (None, Some(at(8))));
    }

    #[test]
    fn an_expired_token_that_can_be_renewed_is_not_broken() {
        let expiry = Expiry { at: at(10), renewable: true };
        let connection = Connection { expiry: Some(expiry), ..connected() };
        let stale = 12 * 60 + 45;
        assert_eq!(connection.health(at(stale - 1), EVERY), Health::Working);
        assert_eq!(connection.health(at(stale), EVERY), Health::Unverified);
    }

    #[test]
    fn a_token_that_lives_for_days_is_amber_once_three_sweeps_are_missed() {
        let expiry = Expiry { at: at(7 * 24 * 60), renewable: true };
        let connection = Connection { expiry: Some(expiry), ..connected() };
        assert_eq!(connection.health(at(44), EVERY), Health::Working);
        assert_eq!(connection.health(at(45), EVERY), Health::Unverified);
        assert_eq!(connection.health(at(7 * 24 * 60 + 1), EVERY), Health::Unverified, "nor green by lapsing");
        let checked = Connection { last_checked_at: Some(at(7 * 24 * 60 - 15)), ..connection };
        assert_eq!(checked.health(at(7 * 24 * 60 + 60), EVERY), Health::Working, "until its renewal");
    }

    #[test]
    fn a_lapsed_token_that_can_be_renewed_is_not_asked_about_until_its_renewal() {
        let expiry = Expiry { at: at(60), renewable: true };
        let connection = Connection { expiry: Some(expiry), ..connected() };
        let period = |minutes| connection.check_period(at(minutes), EVERY);
        assert_eq!((period(59), period(60)), (EVERY.sweep, EVERY.renewal));
        let broken = Connection { is_online: false, ..connection.clone() };
        assert!(!broken.awaits_renewal(at(60)), "it is asked about ever more seldom, as all broken ones");
    }

    #[test]
    fn an_offline_connection_says_why() {
        let reason = OfflineReason::AccountUnavailable;
        let connection = Connection { is_online: false, offline_reason: Some(reason), ..connected() };
        assert_eq!(connection.health(at(1), EVERY), Health::Broken(reason));
    }

    #[test]
    fn an_account_without_names_is_called_by_its_number() {
        assert_eq!(Account::new("42", "", " ").display_name(), "id42");
        assert_eq!(Account::new("42", "Анна", "").display_name(), "Анна");
    }

    #[test]
    fn an_account_is_renamed_by_other_names_and_by_no_missing_ones() {
        let known = Account::new("1", "Анна", "Смирнова");
        assert!(Account::new("1", "Анна", "Петрова").renames(&known));
        assert!(!Account::new("2", "Анна", "Смирнова").renames(&known));
        assert!(!Account::new("1", "", "").renames(&known));
    }

    #[test]
    fn hostile_names_are_cut_and_cleaned() {
        let account = Account::new("1", &"я".repeat(500), "a\u{0}\n\u{7f}b");
        assert_eq!(account.first_name.chars().count(), 100);
        assert_eq!(account.last_name, "ab");
    }
}
