//! What every page of a signed-in person has around it.

use serde::Serialize;

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

#[cfg(test)]
impl Person {
    pub(super) fn sample() -> Self {
        Self { name: "Анна <b>Петрова</b>".into(), csrf: "csrf-token".into() }
    }
}
