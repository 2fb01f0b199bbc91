//! What is around the content of pages.

use serde::Serialize;

use crate::config::SupportUrl;
use crate::domain::{Session, SessionCredential};

/// Who is signed in, and the proof that the sign-out form is this session's own.
#[derive(Serialize)]
pub struct Person {
    name: String,
    csrf: String,
}

impl Person {
    /// The person of a live session.
    pub fn new(session: &Session, credential: &SessionCredential) -> Self {
        let name = if session.display_name.is_empty() {
            session.user.as_str().to_owned()
        } else {
            session.display_name.clone()
        };
        Self { name, csrf: credential.csrf_token().secret().to_owned() }
    }
}

/// How a person reaches the product's support, and what to quote there.
#[derive(Serialize, Clone, Debug)]
pub struct Help {
    url: Option<String>,
    /// The correlation id of the request that failed, which finds it in the logs.
    reference: Option<String>,
}

impl Help {
    /// Help with what failed in a request.
    pub fn new(url: Option<&SupportUrl>, reference: &str) -> Self {
        Self {
            url: url.map(|url| url.as_str().to_owned()),
            reference: Some(reference.to_owned()).filter(|reference| !reference.is_empty()),
        }
    }
}

#[cfg(test)]
impl Person {
    pub(super) fn sample() -> Self {
        Self { name: "Анна <b>Петрова</b>".into(), csrf: "csrf-token".into() }
    }
}
