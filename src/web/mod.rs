//! The inbound side, elsewhere called middleware: between API Gateway and a function. Requests are read
//! strictly, answers carry the security headers, and failures are turned into pages. Calls to others are
//! [`http_client`](crate::http_client)'s.

mod answer;
mod cookies;
mod csrf;
mod fetch_metadata;
mod frame;
mod request;
mod serve;
mod signed_in;
mod signing_in;

pub use answer::{Answer, Failure};
pub use cookies::{CookieJar, CookieName};
pub use csrf::{FormPost, check_form_post};
pub use fetch_metadata::is_cross_site;
pub use frame::Frame;
pub use request::{correlation_id, device, params, path, provider};
pub use serve::{ANSWER_WITHIN, Boot, WebFunction, main, run, service};
pub use signed_in::{SignedInLoader, SignedInRequest, referring, telling};
pub use signing_in::{sign_in_again, sign_in_first};
