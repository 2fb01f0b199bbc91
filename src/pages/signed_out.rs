//! What the login page says when it does not send the person straight to the issuer.

use serde::Serialize;

use super::Page;
use crate::web::Notice;

/// The login page at rest.
#[derive(Serialize)]
pub struct SignedOut {
    title: &'static str,
    advice: &'static str,
}

impl Page for SignedOut {
    const TEMPLATE: &'static str = "signed_out.html";
}

impl SignedOut {
    /// The page of a notice.
    pub fn new(notice: Notice) -> Self {
        let (title, advice) = match notice {
            Notice::SignedOut => ("Вы вышли из системы", "Чтобы управлять подключениями, войдите снова."),
            Notice::SessionEnded => ("Сеанс завершён", "Войдите снова и повторите действие."),
        };
        Self { title, advice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::render;

    #[test]
    fn each_notice_offers_to_sign_in() {
        for notice in [Notice::SignedOut, Notice::SessionEnded] {
            let html = render(&SignedOut::new(notice)).unwrap();
            assert!(html.contains("href=\"/login?continue\""), "{html}");
        }
    }
}
