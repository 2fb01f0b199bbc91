//! Between API Gateway and a function: requests read strictly, answers with the security headers
//! on every one, failures turned into pages.

mod answer;
mod cookies;
mod guard;
mod params;
mod posted;
mod request;
mod serve;
mod signing_in;
mod visits;

pub use answer::{Answer, Failure};
pub use cookies::{CookieJar, CookieName};
pub use guard::is_cross_site;
pub use params::{Malformed, Params};
pub use posted::{Posted, posted};
pub use request::{params, path, user_agent_is_phone};
pub use serve::{ANSWER_WITHIN, WebFunction, run, service};
pub use signing_in::{Notice, sign_in_again, sign_in_first};
pub use visits::{Visit, Visits};
