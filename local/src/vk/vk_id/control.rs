//! VK ID's part of the control page.

use serde_json::{Value, json};

use super::VkId;
use crate::vk::Vk;

/// Does what a form of the page orders; others' orders are none of its business.
pub(in crate::vk) fn act(vk: &Vk, action: &str, value: Option<&str>) {
    let value = value.unwrap_or_default();
    match action {
        "switch" => {
            if let Ok(switch) = value.parse() {
                let on = vk.state().vk_id.trouble.is_on(switch);
                vk.set_switch(switch, !on);
            }
        }
        "change-address" => vk.change_address(),
        "lose-answers" => vk.lose_answers(value.parse().unwrap_or_default()),
        _ => {}
    }
}

impl VkId {
    /// What the page shows.
    pub(in crate::vk) fn shown(&self) -> Value {
        json!({
            "switches": self.trouble.switches(),
            "address": self.sessions.address,
            "answers_to_lose": self.trouble.answers_to_lose,
            "reuses": self.sessions.reuses,
        })
    }
}
