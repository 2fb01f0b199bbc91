//! Query strings and form bodies, read strictly: what cannot be read in one way only is refused.

use percent_encoding::percent_decode;

/// Decoded parameters in the order they came. They may be secrets, so they do not print.
pub struct Params(Vec<(String, String)>);

/// Why parameters were refused.
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
    /// The longest query string or form read, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > Self::MAX_LEN {
            return Err(Malformed::TooLong);
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter that may come once at most.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Malformed> {
        let mut values = self.0.iter().filter(|(candidate, _)| candidate == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(String::as_str)),
            (_, Some(_)) => Err(Malformed::Repeated),
        }
    }
}

fn decode(text: &str) -> Result<String, Malformed> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Malformed::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let params = Params::parse("a=1&b=%D1%8F+%2B&c&=d&&").unwrap();
        assert_eq!(params.one("a"), Ok(Some("1")));
        assert_eq!(params.one("b"), Ok(Some("я +")));
        assert_eq!(params.one("c"), Ok(Some("")));
        assert_eq!(params.one("absent"), Ok(None));
    }

    #[test]
    fn a_repeated_parameter_is_refused_even_when_equal() {
        assert_eq!(Params::parse("state=a&state=a").unwrap().one("state"), Err(Malformed::Repeated));
        assert_eq!(Params::parse("state=a&st%61te=b").unwrap().one("state"), Err(Malformed::Repeated));
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert_eq!(Params::parse("state=%FF").err(), Some(Malformed::NotUtf8));
    }

    #[test]
    fn overlong_text_is_refused() {
        assert!(Params::parse(&"a".repeat(Params::MAX_LEN)).is_ok());
        assert_eq!(Params::parse(&"a".repeat(Params::MAX_LEN + 1)).err(), Some(Malformed::TooLong));
    }
}
