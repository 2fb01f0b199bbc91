//! The pages of the simulated services.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let templates = [
        ("layout.html", include_str!("../templates/layout.html")),
        ("consent.html", include_str!("../templates/consent.html")),
        ("control.html", include_str!("../templates/control.html")),
        ("evotor_consent.html", include_str!("../templates/evotor_consent.html")),
        ("evotor_control.html", include_str!("../templates/evotor_control.html")),
        ("vk_consent.html", include_str!("../templates/vk_consent.html")),
        ("vk_control.html", include_str!("../templates/vk_control.html")),
        ("issuer.html", include_str!("../templates/issuer.html")),
    ];
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in templates {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(template = name, %error, "template does not parse");
        }
    }
    environment
});

/// A page of a simulated service, or the reason why it does not render.
pub(crate) fn page(template: &str, context: impl Serialize) -> Response {
    match ENVIRONMENT.get_template(template).and_then(|template| template.render(Serde(context))) {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}
