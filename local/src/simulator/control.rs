//! What the control pages have in common.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::response::Redirect;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::VariantArray;

use super::Simulator;

/// What a form of the page orders.
#[derive(Deserialize, Default)]
pub(crate) struct Order {
    pub(crate) account: Option<u64>,
    value: Option<String>,
}

/// Something chosen on the page by its name.
pub(crate) trait Choice: VariantArray + Copy + PartialEq + Into<&'static str> {
    /// What the page calls it.
    fn title(self) -> &'static str;
}

impl Order {
    /// The order of a form; an empty one where the form makes no sense.
    pub(crate) fn of(form: Result<Form<Self>, FormRejection>) -> Self {
        form.map(|Form(order)| order).unwrap_or_default()
    }

    /// Its value, unless it is empty.
    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_deref().filter(|value| !value.is_empty())
    }
}

/// Everything there is to choose from, and whether it is on.
pub(crate) fn choices<C: Choice>(on: impl Fn(C) -> bool) -> Value {
    let choices = C::VARIANTS.iter().map(|choice| {
        let name: &'static str = (*choice).into();
        json!({ "name": name, "title": choice.title(), "on": on(*choice) })
    });
    choices.collect()
}

/// `GET /`.
pub(crate) async fn home() -> Redirect {
    Redirect::to("/control")
}

impl<A: Clone, S: Default + Serialize + DeserializeOwned> Simulator<A, S> {
    /// What `control.html` shows of any service, below what a sweep found.
    pub(crate) fn shown(&self, sweep: Option<&str>) -> Value {
        let product = self.product.address();
        json!({
            "faults": choices(|fault| self.fault() == fault),
            "calls": self.calls.latest(),
            "events": self.product.latest_events(),
            "can_sweep": product.is_some(),
            "sweep": sweep,
            "product": product,
        })
    }
}
