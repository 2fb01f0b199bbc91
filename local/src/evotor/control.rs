//! The control page: where a developer makes trouble.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;

use super::Evotor;
use crate::pages::page;
use crate::simulator::control::Order;

/// `GET /control`.
pub(super) async fn show(State(evotor): State<Evotor>) -> Response {
    control_page(&evotor, None)
}

/// `POST /control/{action}`.
pub(super) async fn act(
    State(evotor): State<Evotor>,
    Path(action): Path<String>,
    order: Result<Form<Order>, FormRejection>,
) -> Response {
    let order = Order::of(order);
    match (action.as_str(), order.account, order.value()) {
        ("sweep", ..) => {
            let found = evotor.shared.product.sweep().await;
            return control_page(&evotor, found.as_deref());
        }
        (action, Some(account), value) => evotor.trouble_with(account, action, value),
        (action, None, value) => evotor.trouble(action, value.unwrap_or_default()),
    }
    Redirect::to("/control").into_response()
}

impl Evotor {
    /// Does what the form of an account orders.
    fn trouble_with(&self, account: u64, action: &str, value: Option<&str>) {
        match action {
            "uninstall" => self.uninstall(account),
            "forbid" => self.forbid(account, value.is_some()),
            "stores" => {
                let names = value.unwrap_or_default().split(';').map(str::trim);
                self.set_stores(account, &names.filter(|name| !name.is_empty()).collect::<Vec<_>>());
            }
            _ => {}
        }
    }

    /// Does what a form about all of Evotor orders.
    fn trouble(&self, action: &str, value: &str) {
        match action {
            "fault" => self.set_fault(value.parse().unwrap_or_default()),
            "lose-answers" => self.lose_answers(value.parse().unwrap_or_default()),
            "page-size" => self.page_size(value.parse().unwrap_or_default()),
            "switch" => {
                if let Ok(switch) = value.parse() {
                    let on = self.shared.state().ways.trouble.is_on(switch);
                    self.switch(switch, !on);
                }
            }
            _ => {}
        }
    }
}

fn control_page(evotor: &Evotor, sweep: Option<&str>) -> Response {
    let common = evotor.shared.shown(sweep);
    let now = evotor.shared.clock.now();
    let state = evotor.shared.state();
    let accounts = state.accounts.iter().map(|account| {
        json!({
            "id": account.id,
            "name": account.name,
            "tokens": state.grants.living_tokens(account.id, now),
            "forbidden": account.forbidden,
            "stores": account.stores,
        })
    });
    let context = json!({
        "common": common,
        "accounts": accounts.collect::<Vec<_>>(),
        "tokens": {
            "switches": state.ways.trouble.switches(),
            "page_size": state.ways.page_size,
            "answers_to_lose": state.ways.trouble.answers_to_lose,
            "reuses": state.grants.reuses,
        },
    });
    page("evotor_control.html", context)
}
