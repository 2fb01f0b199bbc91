//! The trouble that VK ID alone can make, beside the faults all of VK has.

use crate::simulator::control::Choice;

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

impl Choice for Switch {
    fn title(self) -> &'static str {
        match self {
            Self::DropRights => "молча выдавать только vkid.personal_info",
            Self::Payload => "отвечать приложению одним параметром payload",
            Self::RefuseRefreshes => "отказывать в обновлении токенов (invalid_grant)",
            Self::SlowDown => "просить обращаться реже (slow_down)",
            Self::WithoutServiceToken => "не требовать сервисный ключ",
        }
    }
}
