//! Russian grammar, for words that stand beside a number.

/// The form of a noun for a number of things: for 1 and 21, for 2 to 4, for 5 to 20.
pub(crate) fn plural(count: u64, [one, few, many]: [&str; 3]) -> &str {
    match (count % 10, count % 100) {
        (_, 11..=14) => many,
        (1, _) => one,
        (2..=4, _) => few,
        _ => many,
    }
}
