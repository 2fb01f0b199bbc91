//! Sessions and their tokens. A session begins with a consent and has one refresh token at a time; a spent
//! one that is presented again ends it (reuse detection), since somebody has a copy.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::Entropy;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};

/// How long an access token lives.
pub(super) const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long a refresh token lives: 180 days.
const REFRESH_LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What VK ID says about a refresh token that it does not know, or no longer honours.
pub(super) const NO_REFRESH_TOKEN: &str = "refresh_token is missing or invalid";

/// Every session there has been, and its tokens by their text.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct Sessions {
    all: Vec<Session>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    /// The number of the address that the application calls from.
    pub(super) address: u64,
    /// How often reuse detection has fired.
    pub(super) reuses: u64,
}

/// What a person has allowed an application on one device.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Session {
    pub(super) account: u64,
    pub(super) device_id: String,
    /// The rights as granted, separated by spaces.
    pub(super) scope: String,
    pub(super) ended: bool,
}

/// An access token.
#[derive(Serialize, Deserialize)]
struct Access {
    session: usize,
    expires_at: Timestamp,
    address: u64,
}

/// A refresh token.
#[derive(Serialize, Deserialize)]
struct Refresh {
    session: usize,
    expires_at: Timestamp,
    spent: bool,
}

/// A pair of tokens as an application gets it.
pub(super) struct Issued {
    pub(super) session: Session,
    pub(super) tokens: Pair,
}

/// A fresh access token and refresh token.
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// An access token whose session lives.
pub(super) struct Live<'a> {
    pub(super) session: &'a Session,
    pub(super) expired: bool,
    /// Whether it was obtained from the address the application calls from.
    pub(super) at_home: bool,
}

impl Pair {
    pub(super) fn random(entropy: &Entropy) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(entropy.bytes::<150>());
        Self { access: format!("vk2.a.{}", random()), refresh: format!("vk2.r.{}", random()) }
    }
}

impl Sessions {
    /// Begins a session with its first tokens.
    pub(super) fn begin(&mut self, session: Session, tokens: Pair, now: Timestamp) -> Issued {
        self.all.push(session.clone());
        self.issue(self.all.len() - 1, &tokens, now);
        Issued { session, tokens }
    }

    /// Spends a refresh token for new ones. The rights stay what they were.
    pub(super) fn rotate(
        &mut self,
        refresh_token: &str,
        device_id: &str,
        tokens: Pair,
        now: Timestamp,
    ) -> Result<Issued, Problem> {
        let unknown = || Problem::new(Kind::InvalidRequest, NO_REFRESH_TOKEN);
        let refresh = self.refresh.get_mut(refresh_token).ok_or_else(unknown)?;
        let number = refresh.session;
        let session = self.all.get_mut(number).ok_or_else(unknown)?;
        if session.device_id != device_id {
            return Err(Problem::new(Kind::InvalidRequest, "device_id is invalid"));
        }
        if refresh.spent {
            session.ended = true;
            self.reuses += 1;
            let compromised = "session is compromised because refresh token has already been applied";
            return Err(Problem::new(Kind::InvalidGrant, compromised));
        }
        if session.ended || refresh.expires_at <= now {
            return Err(Problem::new(Kind::InvalidGrant, NO_REFRESH_TOKEN));
        }
        refresh.spent = true;
        let session = session.clone();
        self.issue(number, &tokens, now);
        Ok(Issued { session, tokens })
    }

    /// The session of an access token; `None` when there is no such token, or its session has ended.
    pub(super) fn find(&self, access_token: &str, now: Timestamp) -> Option<Live<'_>> {
        let access = self.access.get(access_token)?;
        let session = self.all.get(access.session).filter(|session| !session.ended)?;
        Some(Live { session, expired: access.expires_at <= now, at_home: access.address == self.address })
    }

    /// Ends the session of an access token.
    pub(super) fn end(&mut self, access_token: &str) {
        let number = self.access.get(access_token).map(|access| access.session);
        if let Some(session) = number.and_then(|number| self.all.get_mut(number)) {
            session.ended = true;
        }
    }

    /// Ends every session of an account.
    pub(super) fn end_all(&mut self, account: u64) {
        let own = self.all.iter_mut().filter(|session| session.account == account);
        own.for_each(|session| session.ended = true);
    }

    /// How many sessions of an account live.
    pub(super) fn living(&self, account: u64) -> usize {
        self.all.iter().filter(|session| session.account == account && !session.ended).count()
    }

    /// Every access token there has been.
    pub(super) fn access_tokens(&self) -> impl Iterator<Item = &String> {
        self.access.keys()
    }

    /// Every refresh token there has been.
    pub(super) fn refresh_tokens(&self) -> impl Iterator<Item = &String> {
        self.refresh.keys()
    }

    fn issue(&mut self, session: usize, tokens: &Pair, now: Timestamp) {
        let (access, refresh) = (tokens.access.clone(), tokens.refresh.clone());
        let address = self.address;
        self.access.insert(access, Access { session, expires_at: now + ACCESS_LIFETIME, address });
        self.refresh.insert(refresh, Refresh { session, expires_at: now + REFRESH_LIFETIME, spent: false });
    }
}
