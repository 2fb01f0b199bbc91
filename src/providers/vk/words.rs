//! What pages say of VK.

use crate::providers::{COMMON, Words, by_name};
use crate::texts::{Catalogues, Language};

pub(super) static WORDS: Words = Words {
    icon: include_str!("icon.svg").trim_ascii_end(),
    account: by_name,
    texts: Catalogues::new(&[own, COMMON]),
};

fn own(language: Language) -> &'static str {
    match language {
        Language::Russian => include_str!("words/ru.ftl"),
        Language::English => include_str!("words/en.ftl"),
    }
}
