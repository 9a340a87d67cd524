//! Parameters of a query or a form, as OAuth reads them (RFC 6749 §3.1, §3.2).

use std::fmt;

/// The one parameter that may come several times (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// No request here has a quarter as many; reading more of them would only cost time.
const MOST: usize = 100;

/// The parameters of one request, in their order.
///
/// A parameter without a value counts as absent, and one that comes twice is reported instead of picking one of
/// the two: which one another party looked at cannot be known.
#[derive(Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// Why it cannot be told what a request says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ambiguous {
    /// A parameter came more than once.
    #[error("the parameter {0} was sent more than once")]
    Repeated(String),
    /// Not all of them were read.
    #[error("more than {MOST} parameters were sent")]
    TooMany,
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text, no further than to the first parameter that is too many (see
    /// [`Params::refuse_repeated`]).
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(encoded);
        Self(
            pairs
                .take(MOST + 1)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The value of a parameter; `None` when it is absent, empty or ambiguous (see [`Params::refuse_repeated`]).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self
            .0
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// The values of a parameter that may come several times; empty ones are absent.
    pub(crate) fn get_all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0
            .iter()
            .filter(move |(found, value)| found == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Refuses requests in which any parameter but `resource` comes more than once, and those with so many that not all were read.
    ///
    /// # Errors
    /// Names the first parameter that came before.
    pub(crate) fn refuse_repeated(&self) -> Result<(), Ambiguous> {
        if self.0.len() > MOST {
            return Err(Ambiguous::TooMany);
        }
        // They are few: to compare all with all costs less than to hash them.
        let comes_twice = |(at, (name, _)): &(usize, &(String, String))| {
            name != REPEATABLE && self.0[..*at].iter().any(|(before, _)| before == name)
        };
        match self.0.iter().enumerate().find(comes_twice) {
            None => Ok(()),
            Some((_, (name, _))) => Err(Ambiguous::Repeated(printable(name))),
        }
    }

    /// Those that are named, and no others.
    pub(crate) fn only(&self, kept: &[&str]) -> Self {
        let named = self.0.iter().filter(|(name, _)| kept.contains(&name.as_str()));
        Self(named.cloned().collect())
    }

    /// The parameters as form-urlencoded text again, without those named.
    pub(crate) fn encode_without(&self, left_out: &[&str]) -> String {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.as_str()));
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .finish()
    }
}

impl fmt::Debug for Params {
    /// Names only: values may be codes, tokens and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// A name from outside as it may stand in an `error_description` (RFC 6749 §5.2 limits the characters).
fn printable(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.:".contains(*c))
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_an_absent_one() {
        let params = Params::parse(b"scope=&state=x");
        assert_eq!(params.get("scope"), None);
        assert_eq!(params.get("state"), Some("x"));
    }

    #[test]
    fn a_repeated_parameter_has_no_value_and_is_named() {
        let params = Params::parse(b"state=a&x=1&state=b");
        assert_eq!(params.get("state"), None);
        assert_eq!(
            params.refuse_repeated(),
            Err(Ambiguous::Repeated("state".to_owned()))
        );
    }

    #[test]
    fn a_resource_may_be_repeated_and_then_has_no_single_value() {
        let params = Params::parse(b"resource=a&resource=&resource=b");
        assert_eq!(params.refuse_repeated(), Ok(()));
        assert_eq!(params.get_all("resource").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.get("resource"), None);
    }

    fn distinct_names(count: usize) -> String {
        (0..count).map(|n| format!("p{n}=x&")).collect()
    }

    #[test]
    fn a_form_full_of_names_is_refused_without_being_read_to_its_end() {
        let most = Params::parse(distinct_names(MOST).as_bytes());
        assert_eq!(most.refuse_repeated(), Ok(()));
        let one_more = Params::parse(distinct_names(MOST + 1).as_bytes());
        assert_eq!(one_more.refuse_repeated(), Err(Ambiguous::TooMany));

        let full = distinct_names(9000);
        assert!(full.len() > 64 * 1024);
        let params = Params::parse(full.as_bytes());
        assert_eq!(params.refuse_repeated(), Err(Ambiguous::TooMany));
        assert_eq!(params.0.len(), MOST + 1);
    }

    #[test]
    fn plus_and_percent_are_decoded_and_encoded_again() {
        let params = Params::parse(b"scope=a+b&redirect_uri=https%3A%2F%2Fx%2Fcb%3Fa%3D1");
        assert_eq!(params.get("scope"), Some("a b"));
        assert_eq!(
            params.encode_without(&["scope"]),
            "redirect_uri=https%3A%2F%2Fx%2Fcb%3Fa%3D1"
        );
        assert_eq!(params.only(&["scope", "x"]).encode_without(&[]), "scope=a+b");
    }

    #[test]
    fn debug_output_shows_no_value() {
        assert!(!format!("{:?}", Params::parse(b"password=hunter2")).contains("hunter2"));
    }
}
