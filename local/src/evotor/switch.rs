//! The ways that Evotor's documentation leaves open, and the trouble that Evotor alone can make.

use crate::simulator::control::Choice;

/// A way of Evotor's that is switched on and off.
#[derive(Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Switch {
    /// `state` comes back with the code.
    EchoState,
    /// A refresh brings a new refresh token and spends the old one.
    Rotate,
    /// Stores come as a bare array.
    BareStores,
    /// Refreshes are answered `invalid_grant`, and change nothing.
    RefuseRefreshes,
}

impl Choice for Switch {
    fn title(self) -> &'static str {
        match self {
            Self::EchoState => "возвращать приложению state",
            Self::Rotate => "менять токен обновления при каждом обновлении",
            Self::BareStores => "отдавать магазины простым списком",
            Self::RefuseRefreshes => "отказывать в обновлении токенов (invalid_grant)",
        }
    }
}
