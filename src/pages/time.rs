//! Instants as a person reads them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::Cadence;

/// When and where a page is viewed, and how old what it shows may be.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time now.
    pub now: Timestamp,
    /// Where the page's times are.
    pub zone: &'a TimeZone,
    /// How often connections are checked.
    pub cadence: Cadence,
}

/// An instant for people and for machines.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct DisplayTime {
    text: String,
    iso: String,
}

/// Genitive, as dates want them.
const MONTHS: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];

impl DisplayTime {
    /// An instant in a time zone.
    pub fn new(time: Timestamp, zone: &TimeZone) -> Self {
        let local = time.to_zoned(zone.clone());
        let month = MONTHS.get(usize::from(local.month().unsigned_abs()).saturating_sub(1)).unwrap_or(&"");
        let text = format!(
            "{} {month} {}, {:02}:{:02} {}",
            local.day(),
            local.year(),
            local.hour(),
            local.minute(),
            zone_name(&local.strftime("%Z").to_string())
        );
        Self { text, iso: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }
    }
}

/// The time zone database abbreviates in English; Moscow's time has a name that readers know.
fn zone_name(abbreviation: &str) -> &str {
    if abbreviation == "MSK" { "МСК" } else { abbreviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_place_and_the_language() {
        let time = "2026-11-22T21:05:59Z".parse().unwrap();
        let shown = DisplayTime::new(time, &TimeZone::get("Europe/Moscow").unwrap());
        assert_eq!(shown.text, "23 ноября 2026, 00:05 МСК");
        assert_eq!(shown.iso, "2026-11-22T21:05:59Z");
    }
}
