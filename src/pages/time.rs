//! Instants as a person reads them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::domain::Cadence;
use crate::russian::plural;

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
    /// How long ago, where that says more than the date.
    ago: Option<String>,
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
        Self { text, iso: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), ago: None }
    }

    /// An instant that lies behind whoever views the page.
    pub fn past(time: Timestamp, view: &View<'_>) -> Self {
        Self { ago: ago(view.now.duration_since(time)), ..Self::new(time, view.zone) }
    }
}

/// How long ago something was, within a day.
fn ago(age: SignedDuration) -> Option<String> {
    let counted =
        |count: i64, forms: [&str; 3]| format!("{count} {} назад", plural(count.unsigned_abs(), forms));
    match (age.as_hours(), age.as_mins()) {
        (24.., _) => None,
        (hours @ 1.., _) => Some(counted(hours, ["час", "часа", "часов"])),
        (_, minutes @ 1..) => Some(counted(minutes, ["минуту", "минуты", "минут"])),
        _ => Some("только что".to_owned()),
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
    fn what_was_within_a_day_was_so_long_ago() {
        let minutes = |minutes| ago(SignedDuration::from_mins(minutes));
        for (age, text) in [
            (0, "только что"),
            (1, "1 минуту назад"),
            (3, "3 минуты назад"),
            (11, "11 минут назад"),
            (21, "21 минуту назад"),
            (59, "59 минут назад"),
            (60, "1 час назад"),
            (2 * 60 + 59, "2 часа назад"),
            (23 * 60, "23 часа назад"),
        ] {
            assert_eq!(minutes(age).as_deref(), Some(text));
        }
        assert_eq!(minutes(24 * 60), None);
        assert_eq!(minutes(-5).as_deref(), Some("только что"), "a clock that is a little behind");
    }

    #[test]
    fn times_are_of_the_place_and_the_language() {
        let time = "2026-11-22T21:05:59Z".parse().unwrap();
        let shown = DisplayTime::new(time, &TimeZone::get("Europe/Moscow").unwrap());
        assert_eq!(shown.text, "23 ноября 2026, 00:05 МСК");
        assert_eq!(shown.iso, "2026-11-22T21:05:59Z");
    }
}
