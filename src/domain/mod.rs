//! What the product knows, without I/O: connections and what their health means, attempts to
//! connect, sessions, and the closed list of things that can go wrong.
//!
//! Nothing here reads a clock, a random number, a table or a network: all of that is passed in.

mod attempt;
mod change;
mod connection;
mod error_code;
mod liveness;
mod pkce;
mod provider;
mod renewal;
mod return_to;
mod scopes;
pub mod secret;
mod session;
mod tokens;
mod user;

pub use attempt::{ATTEMPT_LIFETIME, AnswerDigest, AttemptId, MAX_PENDING_ATTEMPTS, State};
pub use change::{Actor, Change, Changed, ChangedBy, RowState};
pub use connection::{Account, Cadence, Connection, Expiry, Generation, Health};
pub use error_code::ErrorCode;
pub use liveness::{Liveness, OfflineReason, Unknown};
pub use provider::Provider;
pub use renewal::{RenewalClaim, Spending};
pub use return_to::ReturnTo;
pub use scopes::Scopes;
pub use session::{CsrfToken, Session, SessionCredential, SessionId, SessionLimits};
pub use tokens::TokenSet;
pub use user::UserId;
