//! The environment: every variable a function reads, by section.
//!
//! Each function asks for what it uses and nothing else. A missing or malformed variable stops the
//! boot with a message that names it and never shows its value.
//!
//! | section | what it is |
//! | --- | --- |
//! | [`Env`] | reading variables, for the sections here and for those of the providers |
//! | `product` | the public address, the tables, sessions, times, logs |
//! | `sign_in` | the OpenID Connect issuer |
//! | `sweep` | how hard the sweep may work |
//!
//! A provider's section is in the provider's folder.

mod address;
mod env;
mod product;
mod sign_in;
mod sweep;

pub use address::{BaseUrl, SupportUrl, below, is_private};
pub use env::{ConfigError, Env};
pub use sign_in::Oidc;
pub use sweep::Sweep;
