//! Grants and their tokens. A grant begins with a consent; a spent refresh token that is presented again ends
//! it (reuse detection), since somebody has a copy. Evotor's rules are undocumented, so these are the
//! strictest there are.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::Entropy;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long an access token lives: seven days.
pub(super) const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Every grant there has been, and its tokens by their text.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Grants {
    all: Vec<Grant>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    /// How often reuse detection has fired.
    pub(super) reuses: u64,
}

/// What a merchant has allowed the application.
#[derive(Serialize, Deserialize)]
struct Grant {
    account: u64,
    ended: bool,
}

#[derive(Serialize, Deserialize)]
struct Access {
    grant: usize,
    expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Refresh {
    grant: usize,
    spent: bool,
}

/// The tokens of an answer.
pub(super) struct Issued {
    pub(super) access: String,
    /// The new refresh token, where there is one.
    pub(super) refresh: Option<String>,
}

impl Grants {
    /// Begins a grant with its first tokens.
    pub(super) fn begin(&mut self, account: u64, entropy: &Entropy, now: Timestamp) -> Issued {
        let grant = self.all.len();
        self.all.push(Grant { account, ended: false });
        Issued {
            access: self.issue_access(grant, entropy, now),
            refresh: Some(self.issue_refresh(grant, entropy)),
        }
    }

    /// Refreshes; `None` where the refresh token is not, or no longer, good for it. Only a grant that rotates
    /// spends it.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        rotates: bool,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Option<Issued> {
        let presented = self.refresh.get_mut(token)?;
        let number = presented.grant;
        let grant = self.all.get_mut(number)?;
        if presented.spent {
            grant.ended = true;
            self.reuses += 1;
        }
        if grant.ended {
            return None;
        }
        presented.spent = rotates;
        let access = self.issue_access(number, entropy, now);
        let refresh = rotates.then(|| self.issue_refresh(number, entropy));
        Some(Issued { access, refresh })
    }

    /// Whose an access token is that the API lets in.
    pub(super) fn owner(&self, token: &str, now: Timestamp) -> Option<u64> {
        self.access.get(token).and_then(|access| self.living(access, now))
    }

    /// How many access tokens of an account's the API lets in.
    pub(super) fn living_tokens(&self, account: u64, now: Timestamp) -> usize {
        self.access.values().filter(|access| self.living(access, now) == Some(account)).count()
    }

    /// Ends every grant of an account.
    pub(super) fn end_all(&mut self, account: u64) {
        self.all.iter_mut().filter(|grant| grant.account == account).for_each(|grant| grant.ended = true);
    }

    pub(super) fn access_tokens(&self) -> Vec<String> {
        self.access.keys().cloned().collect()
    }

    pub(super) fn refresh_tokens(&self) -> Vec<String> {
        self.refresh.keys().cloned().collect()
    }

    fn living(&self, access: &Access, now: Timestamp) -> Option<u64> {
        let grant = self.all.get(access.grant)?;
        (!grant.ended && now < access.expires_at).then_some(grant.account)
    }

    fn issue_access(&mut self, grant: usize, entropy: &Entropy, now: Timestamp) -> String {
        let token = random(entropy);
        self.access.insert(token.clone(), Access { grant, expires_at: now + ACCESS_LIFETIME });
        token
    }

    fn issue_refresh(&mut self, grant: usize, entropy: &Entropy) -> String {
        let token = random(entropy);
        self.refresh.insert(token.clone(), Refresh { grant, spent: false });
        token
    }
}

/// A random text: a token, or a code.
pub(super) fn random(entropy: &Entropy) -> String {
    URL_SAFE_NO_PAD.encode(entropy.bytes::<32>())
}
