//! What a provider's answer says about a stored token.

use strum::VariantArray;

/// The verdict on one token. Only the first two change a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The token works and belongs to the stored account.
    Alive,
    /// The token will not work again until the person acts.
    Dead(OfflineReason),
    /// The answer proves nothing: the connection keeps its state.
    Unknown(Unknown),
}

impl Liveness {
    /// The name in the table.
    pub fn code(self) -> &'static str {
        match self {
            Self::Alive => ALIVE,
            Self::Dead(reason) => reason.code(),
            Self::Unknown(class) => class.code(),
        }
    }

    /// The verdict of a table's value, `None` for one this build does not know.
    pub fn from_code(code: &str) -> Option<Self> {
        if code == ALIVE {
            return Some(Self::Alive);
        }
        let dead = OfflineReason::from_code(code).map(Self::Dead);
        dead.or_else(|| code.parse().ok().map(Self::Unknown))
    }
}

const ALIVE: &str = "alive";

/// Why a connection is offline; decides what the page tells the person to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, strum::EnumString, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum OfflineReason {
    /// The token was revoked or has lapsed at the provider.
    TokenRejected,
    /// The token's own time has run out.
    TokenExpired,
    /// The account is banned, deleted or deactivated.
    AccountUnavailable,
    /// The provider wants the person to confirm something on its own pages.
    ActionRequired,
    /// The token works but no longer has the rights the product needs.
    PermissionMissing,
    /// The token is of a kind that cannot do the work (a group's or a service's).
    WrongTokenKind,
    /// The answer to a renewal was lost, and the refresh token is spent.
    RenewalLost,
    /// The stored token cannot be read back: its seal does not fit its row.
    Unreadable,
}

impl OfflineReason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in the table and in logs.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The reason of a table's value, `None` for one this build does not know.
    pub fn from_code(code: &str) -> Option<Self> {
        code.parse().ok()
    }
}

/// Why an answer proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Unknown {
    /// Overload, time-out, network: worth another try now.
    Transient,
    /// A captcha, an anti-bot page or a code nobody documented: worth another try next time.
    Inconclusive,
    /// The provider refuses our application or our request: an operator must act.
    OurFault,
    /// The provider answers the token from the address that obtained it, and we call from another.
    AnotherAddress,
}

impl Unknown {
    /// The name in the table and in logs.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offline_reason_survives_the_table() {
        for reason in OfflineReason::ALL {
            assert_eq!(OfflineReason::from_code(reason.code()), Some(*reason));
        }
        assert_eq!(OfflineReason::from_code("of a later build"), None);
    }

    #[test]
    fn every_verdict_survives_the_table() {
        let dead = OfflineReason::ALL.iter().copied().map(Liveness::Dead);
        let unknown = Unknown::VARIANTS.iter().copied().map(Liveness::Unknown);
        for verdict in dead.chain(unknown).chain([Liveness::Alive]) {
            assert_eq!(Liveness::from_code(verdict.code()), Some(verdict));
        }
        assert_eq!(Liveness::from_code("of a later build"), None);
    }
}
