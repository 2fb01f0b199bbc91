//! VK: its classic OAuth flow and the part of its API the product uses.
//!
//! [`Authorization`] builds the address a person is sent to, [`TokenEndpoint`] turns the code they
//! come back with into a token, [`Api`] asks whose a token is and whether it lives. A function is
//! given only the ones it needs.
//!
//! The classic flow has no PKCE: VK answers a `code_challenge` with an error. What stands in its
//! place is the state, bound to session and person and spent before the code is used.

mod api;
mod authorize;
mod lenient;
mod scopes;
mod token;
mod verdict;

pub use api::{Api, Fault, Profile};
pub use authorize::{Authorization, Display};
pub use scopes::Permissions;
pub use token::{ExchangeError, Grant, TokenEndpoint};
