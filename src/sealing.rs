//! Tokens at rest: AES-256-GCM under a key derived from the key secret, bound to their row.
//!
//! A sealed record is `version | key id length | key id | fingerprint | nonce | ciphertext and tag`.
//! The fingerprint tells a key that was replaced under its old id from a damaged record. Associated
//! data are the header up to the nonce, table, user, provider and generation, so that a record copied
//! to another row, or kept from an earlier connection of the same row, does not open.

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

use crate::domain::{Generation, Provider, TokenSet, UserId};
use crate::platform::Platform;
use crate::secrets::{Member, Secret, SecretError};

const VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const FINGERPRINT_LEN: usize = 4;
const MAX_KEY_ID: usize = 16;
/// The key secret's values are strings; shorter ones cannot hold 256 bits.
const MIN_KEY_TEXT: usize = 32;

/// The row a record is sealed for.
#[derive(Clone, Copy)]
pub struct RowIdentity<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The partition key.
    pub user: &'a UserId,
    /// The sort key.
    pub provider: Provider,
    /// The connection's generation.
    pub generation: &'a Generation,
}

/// The keys of `TOKEN_KEYS_SECRET_ID`: one seals, all open.
pub struct TokenKeys {
    current: String,
    keys: HashMap<String, TokenKey>,
}

struct TokenKey {
    cipher: LessSafeKey,
    fingerprint: [u8; FINGERPRINT_LEN],
}

/// Why a record does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Its key is not among the keys: the key secret is incomplete, the record may be sound.
    #[error("sealed with a key that is not among the token keys")]
    UnknownKey,
    /// A later build sealed it in a way this one does not know; the record may be sound.
    #[error("sealed in a version that this build does not know")]
    UnknownVersion,
    /// It was altered, moved from another row, or is no sealed record.
    #[error("the seal does not fit the row")]
    Broken,
}

/// The key secret is unusable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token keys are malformed: a JSON object with \"current\" and keys of 32 characters or more")]
pub struct BadKeys;

/// Tokens could not be sealed. They are beyond the cipher's limits, which none that a provider hands
/// out are; the keys are sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the tokens cannot be sealed")]
pub struct SealError;

impl TokenKeys {
    /// Reads the secret's value, `{"current":"2","1":"…","2":"…"}`, and derives a key of each.
    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        let mut object: HashMap<String, Member> = serde_json::from_str(text).map_err(|_| BadKeys)?;
        let current = object.remove("current").and_then(Member::into_text).ok_or(BadKeys)?.to_string();
        // What is no text is no key: a note, a date.
        let keys = object.into_iter().filter_map(|(id, member)| Some((id, member.into_text()?)));
        let keys = keys
            .map(|(id, text)| derive(&id, &text).map(|key| (id, key)))
            .collect::<Result<HashMap<_, _>, BadKeys>>()?;
        if keys.contains_key(&current) { Ok(Self { current, keys }) } else { Err(BadKeys) }
    }

    /// Seals tokens for their row with the current key. The nonce must be fresh random bytes: two
    /// records under one key and nonce would give both away.
    pub fn seal(
        &self,
        tokens: &TokenSet,
        row: RowIdentity<'_>,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, SealError> {
        let key = self.keys.get(&self.current).ok_or(SealError)?;
        let mut sealed = header(&self.current, key);
        let aad = Aad::from(associated_data(&sealed, row));
        let mut text = tokens.to_record().map_err(|_| SealError)?;
        let tag = key
            .cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| SealError)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a record of its row.
    pub fn open(&self, sealed: &[u8], row: RowIdentity<'_>) -> Result<TokenSet, OpenError> {
        let envelope = Envelope::read(sealed)?;
        let key = self.keys.get(envelope.key_id).filter(|key| key.fingerprint == *envelope.fingerprint);
        let key = key.ok_or(OpenError::UnknownKey)?;
        let mut text = Zeroizing::new(envelope.text.to_vec());
        let aad = Aad::from(associated_data(envelope.header, row));
        let nonce = Nonce::assume_unique_for_key(*envelope.nonce);
        let opened = key.cipher.open_in_place(nonce, aad, &mut text).map_err(|_| OpenError::Broken)?;
        TokenSet::from_record(opened).ok_or(OpenError::Broken)
    }

    /// Whether a record is sealed with another key than new ones are.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        Envelope::read(sealed).is_ok_and(|envelope| envelope.key_id != self.current)
    }
}

/// The token keys as Secrets Manager holds them.
pub struct TokenKeySource(Secret);

impl TokenKeySource {
    /// The keys of a secret; nothing is read yet.
    pub fn new(platform: &Platform, secret_id: String) -> Self {
        Self(Secret::new(platform, secret_id))
    }

    /// The keys, at most five minutes old.
    pub async fn keys(&self) -> Result<TokenKeys, SecretError> {
        self.0.value(|text| self.parse(text)).await
    }

    /// The keys as they are now, for when a record names one that was not among them.
    pub async fn reread(&self) -> Result<TokenKeys, SecretError> {
        self.0.reread(|text| self.parse(text)).await
    }

    fn parse(&self, text: &str) -> Result<TokenKeys, SecretError> {
        TokenKeys::parse(text).map_err(|error| self.0.error(error.to_string()))
    }
}

/// HKDF (RFC 5869) with SHA-256: the secret's text is entropy, not yet a key.
fn derive(id: &str, text: &str) -> Result<TokenKey, BadKeys> {
    let id_ok = (1..=MAX_KEY_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if !id_ok || text.len() < MIN_KEY_TEXT {
        return Err(BadKeys);
    }
    let secret = Salt::new(HKDF_SHA256, b"evosync connections").extract(text.as_bytes());
    let key: Zeroizing<[u8; KEY_LEN]> = Zeroizing::new(expand(&secret, b"token sealing key v1", id)?);
    let cipher = UnboundKey::new(&AES_256_GCM, key.as_ref()).map(LessSafeKey::new).map_err(|_| BadKeys)?;
    Ok(TokenKey { cipher, fingerprint: expand(&secret, b"token key fingerprint v1", id)? })
}

fn expand<const N: usize>(secret: &Prk, purpose: &[u8], id: &str) -> Result<[u8; N], BadKeys> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    secret
        .expand(&[purpose, id.as_bytes()], Length(N))
        .and_then(|material| material.fill(&mut output))
        .map_err(|_| BadKeys)?;
    Ok(output)
}

/// What stands before the nonce. A key's id is short, see [`derive`], so its length fits a byte.
fn header(key_id: &str, key: &TokenKey) -> Vec<u8> {
    let length = u8::try_from(key_id.len()).unwrap_or(u8::MAX);
    [&[VERSION, length], key_id.as_bytes(), &key.fingerprint].concat()
}

/// The parts of a sealed record.
struct Envelope<'a> {
    key_id: &'a str,
    fingerprint: &'a [u8; FINGERPRINT_LEN],
    header: &'a [u8],
    nonce: &'a [u8; NONCE_LEN],
    text: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, OpenError> {
        match sealed.first() {
            Some(&VERSION) => Self::split(sealed).ok_or(OpenError::Broken),
            Some(_) => Err(OpenError::UnknownVersion),
            None => Err(OpenError::Broken),
        }
    }

    fn split(sealed: &'a [u8]) -> Option<Self> {
        let ([_version, id_len], rest) = sealed.split_first_chunk()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*id_len))?;
        let (fingerprint, rest) = rest.split_first_chunk()?;
        let header = &sealed[..sealed.len() - rest.len()];
        let (nonce, text) = rest.split_first_chunk()?;
        let key_id = std::str::from_utf8(key_id).ok()?;
        Some(Self { key_id, fingerprint, header, nonce, text })
    }
}

/// Every part is preceded by its length, so that no two rows share associated data.
fn associated_data(header: &[u8], row: RowIdentity<'_>) -> Vec<u8> {
    let parts: [&[u8]; 5] = [
        header,
        row.table.as_bytes(),
        row.user.as_str().as_bytes(),
        row.provider.key().as_bytes(),
        row.generation.as_str().as_bytes(),
    ];
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::AccessToken;

    const OLD: &str = r#"{"current":"1","1":"an old key of more than thirty-two characters"}"#;
    const ROTATED: &str = r#"{"current":"2","1":"an old key of more than thirty-two characters",
                              "2":"a new key of more than thirty-two characters"}"#;

    struct Row {
        user: UserId,
        generation: Generation,
    }

    impl Row {
        fn new(user: &str, generation: u8) -> Self {
            Self { user: UserId::parse(user).unwrap(), generation: Generation::new([generation; 16]) }
        }

        fn identity(&self) -> RowIdentity<'_> {
            self.of_table("connections")
        }

        fn of_table<'a>(&'a self, table: &'a str) -> RowIdentity<'a> {
            RowIdentity { table, user: &self.user, provider: Provider::Vk, generation: &self.generation }
        }
    }

    fn seal(keys: &str, row: &Row) -> Vec<u8> {
        let tokens = TokenSet::of_access(AccessToken::new("vk1.a.canary"));
        TokenKeys::parse(keys).unwrap().seal(&tokens, row.identity(), [9; NONCE_LEN]).unwrap()
    }

    #[test]
    fn a_sealed_token_opens_in_its_row() {
        let row = Row::new("anna", 1);
        let opened = TokenKeys::parse(OLD).unwrap().open(&seal(OLD, &row), row.identity()).unwrap();
        assert_eq!(opened.access.secret(), "vk1.a.canary");
    }

    #[test]
    fn the_token_is_not_readable_in_the_record() {
        let sealed = seal(OLD, &Row::new("anna", 1));
        assert!(!String::from_utf8_lossy(&sealed).contains("canary"));
    }

    #[test]
    fn a_record_does_not_open_anywhere_else() {
        let keys = TokenKeys::parse(OLD).unwrap();
        let row = Row::new("anna", 1);
        let sealed = seal(OLD, &row);
        let foreign = [Row::new("boris", 1), Row::new("anna", 2)];
        for other in &foreign {
            assert_eq!(keys.open(&sealed, other.identity()).unwrap_err(), OpenError::Broken);
        }
        assert_eq!(keys.open(&sealed, row.of_table("other")).unwrap_err(), OpenError::Broken);
    }

    #[test]
    fn every_flipped_bit_breaks_the_seal() {
        let keys = TokenKeys::parse(OLD).unwrap();
        let row = Row::new("anna", 1);
        let sealed = seal(OLD, &row);
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(&altered, row.identity()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn truncated_records_are_refused() {
        let keys = TokenKeys::parse(OLD).unwrap();
        let row = Row::new("anna", 1);
        let sealed = seal(OLD, &row);
        for length in 0..sealed.len() {
            assert!(keys.open(&sealed[..length], row.identity()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn after_rotation_old_records_open_and_new_ones_name_the_new_key() {
        let row = Row::new("anna", 1);
        let rotated = TokenKeys::parse(ROTATED).unwrap();
        assert!(rotated.open(&seal(OLD, &row), row.identity()).is_ok());
        let resealed = seal(ROTATED, &row);
        assert_eq!(resealed[..3], [VERSION, 1, b'2']);
        assert_eq!(
            TokenKeys::parse(OLD).unwrap().open(&resealed, row.identity()).unwrap_err(),
            OpenError::UnknownKey
        );
        assert!(rotated.is_outdated(&seal(OLD, &row)) && !rotated.is_outdated(&resealed));
    }

    #[test]
    fn a_key_replaced_under_its_old_id_is_an_unknown_key_and_no_broken_seal() {
        let row = Row::new("anna", 1);
        let replaced = r#"{"current":"1","1":"another key of more than thirty-two characters"}"#;
        let keys = TokenKeys::parse(replaced).unwrap();
        assert_eq!(keys.open(&seal(OLD, &row), row.identity()).unwrap_err(), OpenError::UnknownKey);
    }

    #[test]
    fn a_version_of_a_later_build_is_unknown_and_no_broken_seal() {
        let row = Row::new("anna", 1);
        let mut sealed = seal(OLD, &row);
        sealed[0] = VERSION + 1;
        let keys = TokenKeys::parse(ROTATED).unwrap();
        assert_eq!(keys.open(&sealed, row.identity()).unwrap_err(), OpenError::UnknownVersion);
        assert!(!keys.is_outdated(&sealed), "what cannot be opened is not re-encrypted");
    }

    #[test]
    fn malformed_key_secrets_are_refused() {
        let malformed = [
            "",
            "{}",
            r#"{"current":"1"}"#,
            r#"{"current":"1","1":"short"}"#,
            r#"{"current":"2","1":"an old key of more than thirty-two characters"}"#,
            r#"{"1":"an old key of more than thirty-two characters"}"#,
            r#"{"current":"a b","a b":"an old key of more than thirty-two characters"}"#,
        ];
        for text in malformed {
            assert!(TokenKeys::parse(text).is_err(), "{text}");
        }
    }
}
