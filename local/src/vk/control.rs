//! The control page: where a developer makes trouble.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;

use super::Vk;
use super::vk_id;
use crate::pages::page;
use crate::simulator::control::Order;

/// Errors the page offers, one at least of every class.
const ERRORS: [(i64, &str); 10] = [
    (5, "токен недействителен"),
    (18, "страница удалена или заблокирована"),
    (17, "нужна проверка входа"),
    (7, "нет прав"),
    (27, "ключ сообщества вместо пользователя"),
    (6, "слишком часто"),
    (10, "внутренняя ошибка"),
    (14, "капча"),
    (8, "неверный запрос (наша ошибка)"),
    (12345, "неизвестная ошибка"),
];

/// `GET /control`.
pub(super) async fn show(State(vk): State<Vk>) -> Response {
    control_page(&vk, None)
}

/// `POST /control/{action}`.
pub(super) async fn act(
    State(vk): State<Vk>,
    Path(action): Path<String>,
    order: Result<Form<Order>, FormRejection>,
) -> Response {
    let order = Order::of(order);
    let value = order.value();
    match (action.as_str(), order.account) {
        ("revoke", Some(account)) => vk.revoke_tokens(account),
        ("deactivate", Some(account)) => vk.deactivate(account, value),
        ("error", Some(account)) => {
            vk.answer_with_error(account, value.and_then(|value| value.parse().ok()));
        }
        ("fault", _) => {
            let chosen = value.and_then(|value| value.parse().ok());
            vk.set_fault(chosen.unwrap_or_default());
        }
        ("sweep", _) => {
            if let Some(found) = vk.shared.product.sweep().await {
                return control_page(&vk, Some(&found));
            }
        }
        (action, _) => vk_id::control::act(&vk, action, value),
    }
    Redirect::to("/control").into_response()
}

fn control_page(vk: &Vk, sweep: Option<&str>) -> Response {
    let common = vk.shared.shown(sweep);
    let state = vk.state();
    let now = vk.shared.clock.now();
    let accounts = state.accounts.iter().map(|account| {
        let live = state.tokens.values().filter(|token| {
            token.account == account.id
                && !token.revoked
                && token.expires_at.is_none_or(|expiry| now < expiry)
        });
        json!({
            "id": account.id,
            "name": account.full_name(),
            "tokens": live.count() + state.vk_id.living_tokens(account.id, now),
            "deactivated": account.deactivated,
            "error": account.error,
        })
    });
    let context = json!({
        "common": common,
        "accounts": accounts.collect::<Vec<_>>(),
        "errors": ERRORS.map(|(code, title)| json!({ "code": code, "title": title })),
        "tokens": state.vk_id.shown(),
    });
    drop(state);
    page("vk_control.html", context)
}
