//! One try at connecting an account: from the redirect to the provider until its answer.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How long the person may take at the provider.
pub const ATTEMPT_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// How many attempts of one session may be open at once; one more drops the oldest.
pub const MAX_PENDING_ATTEMPTS: u8 = 10;

/// The `state` of RFC 6749, section 10.12: 256 random bits that carry no data.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct State(String);

impl State {
    /// 32 bytes of base64url without padding.
    const LEN: usize = 43;

    /// A state of fresh random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random))
    }

    /// Reads a callback's `state`, `None` for anything this product did not write.
    pub fn parse(value: &str) -> Option<Self> {
        let well_formed = value.len() == Self::LEN && URL_SAFE_NO_PAD.decode(value).is_ok();
        well_formed.then(|| Self(value.to_owned()))
    }

    /// The value for the provider's address.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The key of the attempt's row: a digest, so that a copy of the table finishes no attempt.
    pub fn attempt_id(&self) -> AttemptId {
        AttemptId(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.0.as_bytes())))
    }
}

/// The digest of an attempt's state: names the attempt in the store, opens nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptId(String);

impl AttemptId {
    /// Takes an id back from the store.
    pub fn from_stored(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// 43 characters of base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of the answer an attempt was finished with. A state is one-time, so it tells a repetition
/// of that answer, which gets the same reply, from a second answer, which gets none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerDigest(String);

impl AnswerDigest {
    /// The digest of an answer's parameters.
    pub fn new(kind: &str, value: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(context.finish()))
    }

    /// 43 characters of base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_43_characters_and_reads_back() {
        let state = State::new([7; 32]);
        assert_eq!(state.secret().len(), 43);
        assert_eq!(State::parse(state.secret()).unwrap().attempt_id(), state.attempt_id());
    }

    #[test]
    fn malformed_states_are_refused() {
        let long = "A".repeat(10_000);
        let padded = format!("{}=", "A".repeat(42));
        for value in ["", "A", long.as_str(), padded.as_str(), &"я".repeat(21)] {
            assert!(State::parse(value).is_none());
        }
    }

    #[test]
    fn the_row_key_is_not_the_state() {
        let state = State::new([7; 32]);
        assert_ne!(state.attempt_id().as_str(), state.secret());
    }
}
