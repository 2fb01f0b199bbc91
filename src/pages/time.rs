//! Instants as a person reads them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::texts::texts;
use super::{Help, JustDone};
use crate::domain::Cadence;
use crate::texts::Language;

/// When, where and by whom a page is viewed, and how old what it shows may be.
#[derive(Clone, Debug)]
pub struct View {
    /// The time now.
    pub now: Timestamp,
    /// Where the page's times are.
    pub zone: TimeZone,
    /// How often connections are checked.
    pub cadence: Cadence,
    /// What the person reads.
    pub language: Language,
    /// Who helps with what the person cannot mend.
    pub help: Help,
    /// What the person has just done, if the page is to tell it.
    pub just_done: Option<JustDone>,
}

/// An instant for people and for machines.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct DisplayTime {
    text: String,
    iso: String,
    /// How long ago, where that says more than the date.
    ago: Option<String>,
}

impl DisplayTime {
    /// An instant where the page is viewed.
    pub fn new(time: Timestamp, view: &View) -> Self {
        let local = time.to_zoned(view.zone.clone());
        let text = texts(view.language).text_with(
            "date",
            [
                ("day", local.day().into()),
                ("month", local.month().into()),
                ("year", local.year().to_string().into()),
                ("time", local.strftime("%H:%M").to_string().into()),
                ("zone", local.strftime("%Z").to_string().into()),
            ],
        );
        Self { text, iso: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), ago: None }
    }

    /// An instant that lies behind whoever views the page.
    pub fn past(time: Timestamp, view: &View) -> Self {
        Self { ago: ago(view.now.duration_since(time), view.language), ..Self::new(time, view) }
    }
}

/// How long ago something was, within a day.
fn ago(age: SignedDuration, language: Language) -> Option<String> {
    let counted = |key: &str, count: i64| texts(language).text_with(key, [("count", count.into())]);
    match (age.as_hours(), age.as_mins()) {
        (24.., _) => None,
        (hours @ 1.., _) => Some(counted("hours-ago", hours)),
        (_, minutes @ 1..) => Some(counted("minutes-ago", minutes)),
        _ => Some(texts(language).text("just-now")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::pages::provider::tests::view;

    #[test]
    fn what_was_within_a_day_was_so_long_ago() {
        let minutes = |minutes| ago(SignedDuration::from_mins(minutes), Language::Russian);
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
    fn numbers_agree_in_english_too() {
        let minutes = |minutes| ago(SignedDuration::from_mins(minutes), Language::English);
        for (age, text) in [
            (0, "just now"),
            (1, "1 minute ago"),
            (21, "21 minutes ago"),
            (60, "1 hour ago"),
            (120, "2 hours ago"),
        ] {
            assert_eq!(minutes(age).as_deref(), Some(text));
        }
    }

    #[test]
    fn times_are_of_the_place_and_the_language() {
        let time = "2026-11-22T21:05:59Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let shown = |language| DisplayTime::new(time, &View { zone: zone.clone(), language, ..view() });
        assert_eq!(shown(Language::Russian).text, "23 ноября 2026, 00:05 МСК");
        assert_eq!(shown(Language::English).text, "23 November 2026, 00:05 MSK");
        assert_eq!(shown(Language::Russian).iso, "2026-11-22T21:05:59Z");
    }

    #[test]
    fn every_month_has_its_name() {
        let months = |language| -> HashSet<String> {
            let time = |month| format!("2026-{month:02}-02T00:00:00Z").parse().unwrap();
            (1..=12).map(|month| DisplayTime::new(time(month), &View { language, ..view() }).text).collect()
        };
        for language in Language::ALL {
            assert_eq!(months(*language).len(), 12);
        }
        assert!(months(Language::Russian).contains("2 декабря 2026, 00:00 UTC"));
        assert!(months(Language::English).contains("2 January 2026, 00:00 UTC"));
    }
}
