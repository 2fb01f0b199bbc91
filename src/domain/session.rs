//! A signed-in browser.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::secret::CodeVerifier;
use super::{Provider, State, UserId};

/// How long a session lives.
///
/// The defaults follow NIST SP 800-63B-4, section 2.2.3 (AAL2): an hour without activity, a day
/// altogether.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLimits {
    /// The idle limit: the longest pause between two requests.
    pub idle: SignedDuration,
    /// The absolute limit, active or not.
    pub absolute: SignedDuration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle: SignedDuration::from_hours(1), absolute: SignedDuration::from_hours(24) }
    }
}

/// A session as the store holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The merchant it belongs to.
    pub user: UserId,
    /// How the header greets the person.
    pub display_name: String,
    /// The person's time zone, by an IANA name, where sign-in told it.
    pub zone: Option<String>,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the person was last seen, to within what [`Session::needs_touch`] allows.
    pub last_seen_at: Timestamp,
}

impl Session {
    /// Extending the idle limit costs a write, so it happens at most this often.
    const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(5);

    /// Whether both limits still hold. Judged here and not by the table's TTL, which may lag by days.
    pub fn is_live(&self, now: Timestamp, limits: SessionLimits) -> bool {
        now.duration_since(self.created_at) < limits.absolute
            && now.duration_since(self.last_seen_at) < limits.idle
    }

    /// Whether the idle limit is due to be extended: every five minutes, and at least ten times before
    /// a short limit is reached.
    pub fn needs_touch(&self, now: Timestamp, limits: SessionLimits) -> bool {
        now.duration_since(self.last_seen_at) >= Self::TOUCH_EVERY.min(limits.idle / 10)
    }
}

/// What the browser's cookie proves a session with: the user's id beside 256 secret bits.
///
/// The id lets session and connections be read in one call; it is believed only when the session
/// found belongs to that user.
#[derive(Clone)]
pub struct SessionCredential {
    user: UserId,
    secret: SessionSecret,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct SessionSecret([u8; 32]);

impl SessionCredential {
    /// A credential of fresh random bytes.
    pub fn new(user: UserId, random: [u8; 32]) -> Self {
        Self { user, secret: SessionSecret(random) }
    }

    /// Reads a cookie's value, `None` for anything this product did not write.
    pub fn parse(cookie: &str) -> Option<Self> {
        let (user, secret) = cookie.split_once('.')?;
        let user = String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?;
        Some(Self { user: UserId::parse(&user)?, secret: SessionSecret(secret.try_into().ok()?) })
    }

    /// The cookie's value: `<user>.<secret>`, both base64url.
    pub fn to_cookie(&self) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(self.user.as_str()), URL_SAFE_NO_PAD.encode(self.secret.0))
    }

    /// The user the cookie claims.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The key of the session's row: a digest, so that a copy of the table signs nobody in.
    pub fn session_id(&self) -> SessionId {
        SessionId(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.secret.0)))
    }

    /// The token that forms carry (OWASP, Cross-Site Request Forgery Prevention: HMAC-based token).
    /// Derived from the session's secret, so it needs no row of its own.
    pub fn csrf_token(&self) -> CsrfToken {
        CsrfToken(URL_SAFE_NO_PAD.encode(hmac::sign(&self.hmac_key(), CSRF_CONTEXT)))
    }

    /// Whether a form's token is this session's, compared in constant time.
    pub fn accepts_csrf(&self, candidate: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(candidate)
            .is_ok_and(|tag| hmac::verify(&self.hmac_key(), CSRF_CONTEXT, &tag).is_ok())
    }

    /// The code verifier of an attempt (RFC 7636). Derived from the session's secret, so it needs no column and
    /// no read, and another session's attempt has another.
    pub fn code_verifier(&self, provider: Provider, state: &State) -> CodeVerifier {
        let mut context = hmac::Context::with_key(&self.hmac_key());
        for part in [VERIFIER_CONTEXT, provider.key().as_bytes(), state.secret().as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(context.sign().as_ref());
        CodeVerifier::of_bytes(&bytes)
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.secret.0)
    }
}

const CSRF_CONTEXT: &[u8] = b"evosync connections: csrf token";
const VERIFIER_CONTEXT: &[u8] = b"evosync connections: code verifier";

/// The digest of a session's secret: names the session in the store, opens nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionId(String);

impl SessionId {
    /// 43 characters of base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A form's proof that it was rendered for this session.
#[derive(Clone)]
pub struct CsrfToken(String);

impl CsrfToken {
    /// The value of the form's hidden field.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(byte: u8) -> SessionCredential {
        SessionCredential::new(UserId::parse("shop|7").unwrap(), [byte; 32])
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn session(created: i64, seen: i64) -> Session {
        Session {
            user: UserId::parse("shop|7").unwrap(),
            display_name: "Магазин".into(),
            zone: None,
            created_at: at(created),
            last_seen_at: at(seen),
        }
    }

    #[test]
    fn a_credential_survives_the_cookie() {
        let read = SessionCredential::parse(&credential(7).to_cookie()).unwrap();
        assert_eq!(read.user().as_str(), "shop|7");
        assert_eq!(read.session_id(), credential(7).session_id());
    }

    #[test]
    fn forged_cookies_are_no_credential() {
        let good = credential(7).to_cookie();
        let (user, secret) = good.split_once('.').unwrap();
        let forged = [
            String::new(),
            ".".into(),
            user.into(),
            format!("{user}."),
            format!(".{secret}"),
            format!("{user}.{secret}A"),
            format!("{user}.{secret}.{secret}"),
            format!("{user}.не base64"),
            format!("_w.{secret}"),
        ];
        for cookie in forged {
            assert!(SessionCredential::parse(&cookie).is_none(), "{cookie}");
        }
    }

    #[test]
    fn the_row_key_is_not_the_secret() {
        let cookie = credential(7).to_cookie();
        assert!(!cookie.contains(credential(7).session_id().as_str()));
    }

    #[test]
    fn a_form_token_fits_its_own_session_only() {
        let token = credential(1).csrf_token();
        assert!(credential(1).accepts_csrf(token.secret()));
        assert!(!credential(2).accepts_csrf(token.secret()));
        assert!(!credential(1).accepts_csrf(""));
        assert!(!credential(1).accepts_csrf("не base64"));
    }

    #[test]
    fn a_code_verifier_is_of_one_session_and_one_attempt() {
        let state = |byte| State::new([byte; 32]);
        let verifier = |session, byte| credential(session).code_verifier(Provider::Vk, &state(byte));
        let one = verifier(1, 1);
        assert_eq!(one.secret().len(), 43);
        assert_eq!(one.secret(), verifier(1, 1).secret());
        assert_ne!(one.secret(), verifier(2, 1).secret());
        assert_ne!(one.secret(), verifier(1, 2).secret());
        assert_ne!(one.secret(), credential(1).csrf_token().secret());
    }

    #[test]
    fn a_session_ends_after_an_hour_without_activity() {
        let limits = SessionLimits::default();
        assert!(session(0, 0).is_live(at(59), limits));
        assert!(!session(0, 0).is_live(at(60), limits));
    }

    #[test]
    fn a_session_ends_after_a_day_however_active() {
        let limits = SessionLimits::default();
        assert!(session(0, 24 * 60 - 2).is_live(at(24 * 60 - 1), limits));
        assert!(!session(0, 24 * 60 - 2).is_live(at(24 * 60), limits));
    }

    #[test]
    fn the_idle_limit_is_extended_at_most_every_five_minutes() {
        let limits = SessionLimits::default();
        assert!(!session(0, 10).needs_touch(at(14), limits));
        assert!(session(0, 10).needs_touch(at(15), limits));
    }

    #[test]
    fn a_short_idle_limit_is_extended_in_time() {
        let limits = SessionLimits { idle: SignedDuration::from_mins(5), ..SessionLimits::default() };
        assert!(session(0, 10).needs_touch(at(11), limits));
    }
}
