//! The attributes of the two tables, each spelled once. They are contract: other programs read them.

/// The rows of `CONNECTIONS_TABLE`. Partition key [`USER_ID`](connection::USER_ID), sort key
/// [`PROVIDER`](connection::PROVIDER).
pub(in crate::store) mod connection {
    pub(in crate::store) const USER_ID: &str = "user_id";
    pub(in crate::store) const PROVIDER: &str = "provider";
    /// The sealed tokens.
    pub(in crate::store) const ACCESS_TOKEN: &str = "access_token";
    pub(in crate::store) const FIRST_NAME: &str = "first_name";
    pub(in crate::store) const LAST_NAME: &str = "last_name";
    pub(in crate::store) const IS_ONLINE: &str = "is_online";
    pub(in crate::store) const OFFLINE_REASON: &str = "offline_reason";
    pub(in crate::store) const CONNECTED_AT: &str = "connected_at";
    /// The last change that a person would notice: a (re)connection, or a flip of
    /// [`IS_ONLINE`].
    pub(in crate::store) const UPDATED_AT: &str = "updated_at";
    pub(in crate::store) const LAST_CHECKED_AT: &str = "last_checked_at";
    /// Changes with every (re)connection.
    pub(in crate::store) const GENERATION: &str = "generation";
    /// Who made the last change that is announced, and the request or sweep it was made in.
    pub(in crate::store) const CHANGED_BY: &str = "changed_by";
    pub(in crate::store) const CHANGED_IN: &str = "changed_in";
    pub(in crate::store) const LAST_ATTEMPT_AT: &str = "last_attempt_at";
    /// The sweep that tried last.
    pub(in crate::store) const LAST_ATTEMPT_BY: &str = "last_attempt_by";
    pub(in crate::store) const LAST_ATTEMPT_RESULT: &str = "last_attempt_result";
    /// When a token lapses that nothing can renew. Earlier builds take it for the connection's end.
    pub(in crate::store) const TOKEN_EXPIRES_AT: &str = "token_expires_at";
    /// When an access token lapses that can be renewed. Earlier builds ignore it.
    pub(in crate::store) const ACCESS_EXPIRES_AT: &str = "access_expires_at";
    /// What was granted, by the provider's names, and when it last said so.
    pub(in crate::store) const SCOPES: &str = "scopes";
    pub(in crate::store) const SCOPES_CHECKED_AT: &str = "scopes_checked_at";
    /// Counts the renewals of a generation's tokens; absent before the first.
    pub(in crate::store) const TOKEN_SEQ: &str = "token_seq";
    /// A renewal that was begun and brought no new tokens so far: a map of the attributes below.
    pub(in crate::store) const RENEWAL: &str = "renewal";
    pub(in crate::store) const RENEWAL_ID: &str = "id";
    pub(in crate::store) const RENEWAL_AT: &str = "at";
    pub(in crate::store) const RENEWAL_REFUSALS: &str = "refusals";
    pub(in crate::store) const RENEWAL_AFTER_LOSS: &str = "after_loss";
}

/// The rows of `SESSIONS_TABLE`: sessions, attempts, sign-ins, rate limits, tombstones. Partition key
/// [`ID`](session::ID).
pub(in crate::store) mod session {
    pub(in crate::store) const ID: &str = "id";
    /// The table's TTL.
    pub(in crate::store) const EXPIRES_AT: &str = "expires_at";
    pub(in crate::store) const CREATED_AT: &str = "created_at";
    pub(in crate::store) const USER_ID: &str = "user_id";
    pub(in crate::store) const DISPLAY_NAME: &str = "display_name";
    pub(in crate::store) const ZONE: &str = "zone";
    pub(in crate::store) const LAST_SEEN_AT: &str = "last_seen_at";
    /// A session's open attempts and when each began.
    pub(in crate::store) const ATTEMPTS: &str = "attempts";
    /// An attempt's session.
    pub(in crate::store) const SESSION_ID: &str = "session_id";
    pub(in crate::store) const PROVIDER: &str = "provider";
    pub(in crate::store) const SPENT_AT: &str = "spent_at";
    /// The digest of the answer that spent an attempt or a sign-in.
    pub(in crate::store) const ANSWER: &str = "answer";
    /// The error code that an attempt, or the outcome that a sign-in, ended with.
    pub(in crate::store) const FAILURE: &str = "failure";
    /// A sign-in's browser.
    pub(in crate::store) const BROWSER: &str = "browser";
    pub(in crate::store) const NONCE: &str = "nonce";
    pub(in crate::store) const PKCE_VERIFIER: &str = "pkce_verifier";
    /// Where the person returns to.
    pub(in crate::store) const RETURN_TO: &str = "place";
    /// A tombstone's own id and time (RFC 3339).
    pub(in crate::store) const GONE: &str = "gone";
    pub(in crate::store) const GONE_AT: &str = "gone_at";
    /// The request that disconnected.
    pub(in crate::store) const CHANGED_IN: &str = "changed_in";
    /// What a rate limit has counted.
    pub(in crate::store) const ACTIONS: &str = "actions";
}

/// The rows of `SESSIONS_TABLE` that hold the sweep's state: the run, and a row for each of its parts.
pub(in crate::store) mod sweep {
    /// The run's id.
    pub(in crate::store) const RUN: &str = "run_id";
    /// When it began and how it is divided, as JSON.
    pub(in crate::store) const PLAN: &str = "run_plan";
    /// The numbers of the segments that are not complete.
    pub(in crate::store) const OPEN: &str = "open_segments";
    /// The keys of providers that are asked no more in this run.
    pub(in crate::store) const GIVEN_UP: &str = "given_up";
    pub(in crate::store) const FINISHED_AT: &str = "finished_at";
    /// The last finished run's summary, as JSON.
    pub(in crate::store) const SUMMARY: &str = "run_summary";
    /// Until when an operator lets a mass failure through (RFC 3339).
    pub(in crate::store) const ALLOW_UNTIL: &str = "allow_until";
    /// A part's worker, and when its lease ends by itself (epoch seconds).
    pub(in crate::store) const WORKER: &str = "leased_by";
    pub(in crate::store) const LEASED_UNTIL: &str = "leased_until";
    /// How far a part is, as JSON.
    pub(in crate::store) const PROGRESS: &str = "part_progress";
    /// What a counter has counted.
    pub(in crate::store) const COUNT: &str = "counted";
}

/// The attribute of a connection's row that holds the account's number at the provider of a key: `vk_user_id`
/// for VK.
pub(super) fn account_id(provider: &str) -> String {
    format!("{provider}_user_id")
}
