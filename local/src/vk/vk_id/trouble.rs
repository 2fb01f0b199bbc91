//! The trouble that VK ID alone can make, beside the faults all of VK has.

/// A way of VK ID's that is switched on and off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Switch {
    /// Consent succeeds, but gives `vkid.personal_info` alone, whatever was asked and ticked.
    DropRights,
    /// A consent comes back as one JSON parameter `payload`.
    Payload,
    /// Refreshes are answered `invalid_grant`, and change nothing.
    RefuseRefreshes,
    /// Applications are answered `slow_down`.
    SlowDown,
    /// The service token need not be sent, as if the application were a public one.
    WithoutServiceToken,
}

impl Switch {
    /// What the control page calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::DropRights => "молча выдавать только vkid.personal_info",
            Self::Payload => "отвечать приложению одним параметром payload",
            Self::RefuseRefreshes => "отказывать в обновлении токенов (invalid_grant)",
            Self::SlowDown => "просить обращаться реже (slow_down)",
            Self::WithoutServiceToken => "не требовать сервисный ключ",
        }
    }
}

/// Everything that is switched on.
#[derive(Default)]
pub(super) struct Trouble {
    on: Vec<Switch>,
    /// How many answers of the token endpoint are still to be lost.
    pub(super) answers_to_lose: u32,
}

impl Trouble {
    pub(super) fn is_on(&self, switch: Switch) -> bool {
        self.on.contains(&switch)
    }

    pub(super) fn set(&mut self, switch: Switch, on: bool) {
        self.on.retain(|other| *other != switch);
        if on {
            self.on.push(switch);
        }
    }

    /// Whether the answer under way is one to lose; counts it.
    pub(super) fn loses_an_answer(&mut self) -> bool {
        let loses = self.answers_to_lose > 0;
        self.answers_to_lose = self.answers_to_lose.saturating_sub(1);
        loses
    }
}
