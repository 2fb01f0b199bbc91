//! The languages of the pages, and which of them a browser prefers.

use strum::VariantArray;

/// A language.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, strum::EnumString, strum::IntoStaticStr, VariantArray,
)]
pub enum Language {
    /// Most merchants'. Also for browsers that prefer none of ours.
    #[default]
    #[strum(serialize = "ru")]
    Russian,
    /// For everybody else.
    #[strum(serialize = "en")]
    English,
}

impl Language {
    /// Every language.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its tag (BCP 47).
    pub fn tag(self) -> &'static str {
        self.into()
    }

    /// The language of a tag, `None` for anything that is not exactly one of ours.
    pub fn from_tag(tag: &str) -> Option<Self> {
        tag.parse().ok()
    }

    /// The language that an `Accept-Language` header prefers among ours (RFC 9110, section 12.5.4; lookup by RFC
    /// 4647, section 3.4). Written here since the crates for it either mind no weights or panic on a weight that is
    /// no number.
    pub fn preferred(header: &str) -> Option<Self> {
        let mut best = None;
        for range in header.split(',') {
            let (tag, weight) = range.split_once(';').map_or((range, "q=1"), |(tag, weight)| (tag, weight));
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let (Some(language), Some(weight)) = (Self::from_tag(&primary), thousandths(weight)) else {
                continue;
            };
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// A weight, such as `q=0.8`, in thousandths.
fn thousandths(weight: &str) -> Option<u16> {
    let (name, value) = weight.split_once('=')?;
    let value = value.trim();
    let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !name.trim().eq_ignore_ascii_case("q") || !plain {
        return None;
    }
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let thousandths: u16 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, Russian};

    #[test]
    fn tags_are_a_closed_set() {
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.tag()), Some(*language));
        }
        for other in ["", "de", "RU", "ru-RU", "ru\n"] {
            assert_eq!(Language::from_tag(other), None, "{other}");
        }
    }

    #[test]
    fn the_language_with_the_highest_weight_is_preferred() {
        for (header, preferred) in [
            ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", Some(Russian)),
            ("en-US,en;q=0.9", Some(English)),
            ("ru;q=0.5, EN-gb ; q = 0.9", Some(English)),
            ("de-DE,de;q=0.9,en;q=0.1", Some(English)),
            ("en,ru", Some(English)),
            ("en;q=0,ru;q=0.001", Some(Russian)),
            ("en;q=0", None),
            ("de,*", None),
            ("", None),
        ] {
            assert_eq!(Language::preferred(header), preferred, "{header}");
        }
    }

    #[test]
    fn a_weight_that_is_none_is_passed_over() {
        for weight in ["q=NaN", "q=-1", "q=1e9", "q=", "q", "q=2", "=1", "q=0.5.5", "q=0,9"] {
            assert_eq!(Language::preferred(&format!("en;{weight},ru;q=0.1")), Some(Russian), "{weight}");
        }
    }
}
