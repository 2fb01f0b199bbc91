//! What pages say of Evotor.

use crate::domain::Account;
use crate::providers::{COMMON, Words};
use crate::texts::{Catalogue, Catalogues, Language};

pub(super) static WORDS: Words = Words {
    icon: include_str!("icon.svg").trim_ascii_end(),
    account: shops,
    texts: Catalogues::new(&[own, COMMON]),
};

fn own(language: Language) -> &'static str {
    match language {
        Language::Russian => include_str!("words/ru.ftl"),
        Language::English => include_str!("words/en.ftl"),
    }
}

/// What follows the number of shops that are known where there are more.
const MORE: char = '+';

/// What stands for the names that are left out.
const OTHERS: &str = "…";

/// The account of shops: as many names as fit in the place of a given name, their number in that of a family name.
/// Neither is in any language, so that pages can say it in each.
pub(super) fn account(id: &str, names: &[&str], more: bool) -> Account {
    let known: Vec<String> = names.iter().map(|name| plain(name)).filter(|name| !name.is_empty()).collect();
    let all_are_named = !more && known.len() == names.len();
    let count = names.len();
    let number = if more { format!("{count}{MORE}") } else { count.to_string() };
    Account::new(id, &listed(&known, all_are_named), &number)
}

/// The names with commas between them: all where that fits, or else those that do.
fn listed(names: &[String], all_are_named: bool) -> String {
    let all = names.join(", ");
    if all_are_named && all.chars().count() <= Account::MAX_NAME {
        return all;
    }
    let room = Account::MAX_NAME - 2 - OTHERS.chars().count();
    let mut text = String::new();
    for name in names {
        let longer = if text.is_empty() { name.clone() } else { format!("{text}, {name}") };
        if longer.chars().count() > room {
            break;
        }
        text = longer;
    }
    match (text.is_empty(), names.first()) {
        (false, _) => format!("{text}, {OTHERS}"),
        (true, Some(first)) => first.chars().take(room).chain(OTHERS.chars()).collect(),
        (true, None) => String::new(),
    }
}

/// The shops of an account, by number and name.
fn shops(account: &Account, texts: &Catalogue) -> Option<String> {
    let (count, more) = match account.last_name.strip_suffix(MORE) {
        Some(count) => (count, true),
        None => (&*account.last_name, false),
    };
    let Ok(count) = count.parse::<u64>() else { return account.known_name() };
    let key = match (count, more) {
        (0, _) => return Some(texts.text("shops-none")),
        (_, true) => "shops-more",
        (_, false) => "shops",
    };
    let number = texts.text_with(key, [("count", count.into())]);
    Some(match account.first_name.as_str() {
        "" => number,
        names => texts.text_with("shops-named", [("shops", number.into()), ("names", names.into())]),
    })
}

/// A name without spaces around it and without what would change how the words beside it read (Unicode, UAX #9:
/// explicit directional formatting characters).
fn plain(name: &str) -> String {
    let directs = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().filter(|c| !directs(*c)).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(language: Language, names: &[&str], more: bool) -> String {
        shops(&account("1", names, more), WORDS.texts.of(language)).unwrap()
    }

    fn russian(names: &[&str], more: bool) -> String {
        spoken(Language::Russian, names, more)
    }

    #[test]
    fn shops_are_counted_and_named() {
        assert_eq!(russian(&[], false), "Магазинов пока нет");
        assert_eq!(russian(&["Ромашка"], false), "1 магазин: Ромашка");
        assert_eq!(russian(&["Лавка на Мира", " Склад "], false), "2 магазина: Лавка на Мира, Склад");
        assert_eq!(russian(&["Лавка", " "], false), "2 магазина: Лавка, …");
        assert_eq!(russian(&["", ""], false), "2 магазина");
        assert_eq!(russian(&["\u{202e}Склад", "\u{2067}Лавка"], false), "2 магазина: Склад, Лавка");
        assert_eq!(russian(&["Лавка"; 21][..1], true), "Больше 1 магазина: Лавка, …");
    }

    #[test]
    fn the_number_agrees_with_its_noun() {
        let counted = |count| russian(&vec![""; count], false);
        for (count, text) in [
            (1, "1 магазин"),
            (4, "4 магазина"),
            (5, "5 магазинов"),
            (11, "11 магазинов"),
            (14, "14 магазинов"),
            (21, "21 магазин"),
            (22, "22 магазина"),
            (100, "100 магазинов"),
            (111, "111 магазинов"),
        ] {
            assert_eq!(counted(count), text);
        }
        assert_eq!(russian(&[""; 21], true), "Больше 21 магазина");
        assert_eq!(russian(&[""; 100], true), "Больше 100 магазинов");
    }

    #[test]
    fn the_same_account_reads_in_each_language() {
        assert_eq!(spoken(Language::English, &["Лавка"], false), "1 shop: Лавка");
        assert_eq!(spoken(Language::English, &["Лавка", "Склад"], false), "2 shops: Лавка, Склад");
        assert_eq!(spoken(Language::English, &[""; 100], true), "More than 100 shops");
        assert_eq!(spoken(Language::English, &[], false), "No shops yet");
    }

    #[test]
    fn names_that_do_not_fit_are_left_out() {
        let text = russian(&["Магазин на углу"; 12], false);
        let fit = ["Магазин на углу"; 5].join(", ");
        assert_eq!(text, format!("12 магазинов: {fit}, …"));
        let long = "я".repeat(500);
        let text = russian(&[&long], false);
        assert!(text.starts_with("1 магазин: яя") && text.ends_with("я…"), "{text}");
    }

    #[test]
    fn an_account_stored_in_words_stays_as_it_is() {
        let earlier = Account::new("1", "2 магазина: Лавка, Склад", "");
        let texts = WORDS.texts.of(Language::Russian);
        assert_eq!(shops(&earlier, texts).as_deref(), Some("2 магазина: Лавка, Склад"));
        assert_eq!(shops(&Account::default(), texts), None);
    }
}
