//! The rows of the connections table. Each is a function of its number.

use std::error::Error;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{Generation, Provider, TokenSet, UserId};
use evosync_connections::sealing::{RowIdentity, TokenKeys};

/// The secret `token-keys`.
pub(crate) const KEYS: &str = r#"{"current":"1","1":"the scoreboard's key, which protects nothing"}"#;

/// The table's name.
pub(crate) const TABLE: &str = "ConnectionsTable";

const GENERATION: &str = "00000000000000000000000000000000";

/// Rows of a page of the scan: about a megabyte, as DynamoDB's are.
const PAGE: u64 = 1_500;

/// So many connections, each with a token that is sealed for it.
pub(super) struct Rows {
    number: u64,
    keys: TokenKeys,
}

/// Rows that a scan passes.
pub(super) struct Page {
    /// As DynamoDB's answer.
    pub(super) body: String,
    pub(super) rows: usize,
}

impl Rows {
    pub(super) fn new(number: u64) -> Result<Self, Box<dyn Error>> {
        Ok(Self { number, keys: TokenKeys::parse(KEYS)? })
    }

    /// The rows of a segment of so many, from behind a user on.
    pub(super) fn page(&self, segment: u64, of: u64, after: Option<&str>) -> Page {
        let (first, end) = (segment * self.number / of, (segment + 1) * self.number / of);
        let after = after.and_then(|user| user.rsplit('-').next()?.parse::<u64>().ok());
        let first = after.map_or(first, |after| after + 1);
        let last = end.min(first + PAGE);
        let rows: Vec<_> = (first..last).map(|number| self.row(number, &user(number))).collect();
        let mut body = format!(r#"{{"Count":{},"Items":[{}]"#, rows.len(), rows.join(","));
        if last < end {
            let key = user(last - 1);
            let _ =
                write!(body, r#","LastEvaluatedKey":{{"user_id":{{"S":"{key}"}},"provider":{{"S":"vk"}}}}"#);
        }
        body.push('}');
        Page { body, rows: rows.len() }
    }

    /// A row as DynamoDB's JSON.
    pub(super) fn row(&self, number: u64, user: &str) -> String {
        let sealed = STANDARD.encode(self.sealed(number, user).unwrap_or_default());
        format!(
            r#"{{"user_id":{{"S":"{user}"}},"provider":{{"S":"vk"}},"vk_user_id":{{"S":"{number}"}},
            "first_name":{{"S":"Anna"}},"last_name":{{"S":"Smirnova"}},"generation":{{"S":"{GENERATION}"}},
            "is_online":{{"BOOL":true}},"connected_at":{{"S":"2026-01-01T00:00:00Z"}},
            "last_checked_at":{{"S":"2026-01-01T00:00:00Z"}},"updated_at":{{"S":"2026-01-01T00:00:00Z"}},
            "scopes":{{"S":"groups market offline"}},"scopes_checked_at":{{"S":"2100-01-01T00:00:00Z"}},
            "access_token":{{"B":"{sealed}"}}}}"#
        )
    }

    fn sealed(&self, number: u64, user: &str) -> Option<Vec<u8>> {
        let (user, generation) = (UserId::parse(user)?, Generation::from_stored(GENERATION));
        let row = RowIdentity { table: TABLE, user: &user, provider: Provider::Vk, generation: &generation };
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        self.keys.seal(&TokenSet::of_access(AccessToken::new(format!("token-{number}"))), row, nonce).ok()
    }
}

fn user(number: u64) -> String {
    format!("user-{number:09}")
}
