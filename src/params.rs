//! Query strings and form bodies. Each parameter is judged when it is read, so that one nobody reads
//! spoils nothing; one that cannot be read in one way only is rejected.

use percent_encoding::percent_decode;

/// Decoded parameters in the order they came. They may be secrets, so they do not print.
pub struct Params(Vec<(Vec<u8>, Vec<u8>)>);

/// Why a parameter was rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`Params::MAX_LEN`].
    #[error("longer than 4096 bytes")]
    TooLong,
    /// Not UTF-8 once decoded.
    #[error("not UTF-8")]
    NotUtf8,
    /// A parameter that must come once came more often.
    #[error("repeated")]
    Repeated,
}

impl Params {
    /// The longest value read, in bytes. API Gateway bounds the query string as a whole (10 KiB).
    pub const MAX_LEN: usize = 4096;

    /// Splits `application/x-www-form-urlencoded` text.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            (half(), half())
        });
        Self(pairs.collect())
    }

    /// These parameters and further ones, so that a name in both comes twice.
    #[must_use]
    pub fn with(&self, further: Vec<(&'static str, String)>) -> Self {
        let further = further.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()));
        Self(self.0.iter().cloned().chain(further).collect())
    }

    /// The value of a parameter that may come once at most.
    ///
    /// # Errors
    /// When it comes more often, is not UTF-8, or is longer than [`Self::MAX_LEN`].
    pub fn one(&self, name: &str) -> Result<Option<&str>, Malformed> {
        let mut values =
            self.0.iter().filter(|(candidate, _)| candidate == name.as_bytes()).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (_, Some(_)) => Err(Malformed::Repeated),
            (Some(value), None) if value.len() > Self::MAX_LEN => Err(Malformed::TooLong),
            (Some(value), None) => str::from_utf8(value).map(Some).map_err(|_| Malformed::NotUtf8),
        }
    }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Params {
        Params::parse(text.as_bytes())
    }

    #[test]
    fn parameters_are_decoded() {
        let params = parse("a=1&b=%D1%8F+%2B&c&=d&e=f=g&&");
        assert_eq!(params.one("a"), Ok(Some("1")));
        assert_eq!(params.one("b"), Ok(Some("я +")));
        assert_eq!(params.one("c"), Ok(Some("")));
        assert_eq!(params.one("e"), Ok(Some("f=g")));
        assert_eq!(params.one("absent"), Ok(None));
    }

    #[test]
    fn a_repeated_parameter_is_rejected_even_when_equal() {
        assert_eq!(parse("state=a&state=a").one("state"), Err(Malformed::Repeated));
        assert_eq!(parse("state=a&st%61te=b").one("state"), Err(Malformed::Repeated));
    }

    #[test]
    fn a_value_that_is_not_utf8_or_too_long_is_rejected() {
        assert_eq!(parse("state=%FF").one("state"), Err(Malformed::NotUtf8));
        let longest = "a".repeat(Params::MAX_LEN);
        assert_eq!(parse(&format!("state={longest}")).one("state"), Ok(Some(longest.as_str())));
        assert_eq!(parse(&format!("state={longest}a")).one("state"), Err(Malformed::TooLong));
    }

    #[test]
    fn a_parameter_nobody_reads_spoils_nothing() {
        let long = "a".repeat(Params::MAX_LEN + 1);
        for unread in ["utm_source=%CF%F0", "%FF=1", "a=1&a=2", "%", "%zz=%", &format!("fbclid={long}")] {
            assert_eq!(parse(&format!("{unread}&state=s&{unread}")).one("state"), Ok(Some("s")), "{unread}");
        }
    }
}
