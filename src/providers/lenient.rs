//! Fields that providers spell in more than one way. What is of another kind than ours counts as not
//! given: no such field is worth losing an answer for.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A value of a kind, or something else in its place.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Loose<T> {
    Value(T),
    Other(IgnoredAny),
}

impl<T> Loose<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// A number or a text, which may stand for a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Lenient {
    Number(i64),
    Fraction(f64),
    Text(String),
    Other(IgnoredAny),
}

impl Lenient {
    /// The number, a fraction rounded down.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Fraction(number) => whole(*number),
            Self::Text(text) => text.trim().parse().ok().or_else(|| text.trim().parse().ok().and_then(whole)),
            Self::Other(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Fraction(_) | Self::Other(_) => None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and no field is that large")]
fn whole(number: f64) -> Option<i64> {
    number.is_finite().then(|| number.floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_however_it_is_spelled() {
        for (json, number) in [
            ("3600", Some(3600)),
            ("3600.9", Some(3600)),
            (r#""3600""#, Some(3600)),
            (r#"" 3600 ""#, Some(3600)),
            (r#""3600.0""#, Some(3600)),
            (r#""NaN""#, None),
            (r#""soon""#, None),
            ("{}", None),
            ("true", None),
        ] {
            assert_eq!(serde_json::from_str::<Lenient>(json).unwrap().number(), number, "{json}");
        }
    }
}
