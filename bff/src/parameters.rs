//! Query and form parameters as OAuth reads them: each at most once (RFC 6749 §3.1).

use url::form_urlencoded;

/// The parameters of a request; codes and states among them, so they show themselves nowhere.
pub struct Parameters(Vec<(String, String)>);

/// More than anybody sends. Each name is compared with all others, so there has to be an end.
const MOST: usize = 64;

/// Why parameters are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// One stands more than once, so that two readers might read two things.
    Repeated,
    /// There are too many.
    TooMany,
}

impl Parameters {
    /// Reads a query or form body.
    ///
    /// # Errors
    /// When a parameter is repeated, or there are more than 64.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.iter().any(|(held, _)| *held == name) {
                return Err(Unreadable::Repeated);
            }
            if parameters.len() == MOST {
                return Err(Unreadable::TooMany);
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(held, _)| held == name)?;
        Some(value)
    }

    /// The names of all parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused() {
        assert_eq!(
            Parameters::parse("state=a&state=b").err(),
            Some(Unreadable::Repeated)
        );
        assert!(Parameters::parse("state=a&st%61te=b").is_err());
        assert_eq!(Parameters::parse("a=1&b=%20+").unwrap().one("b"), Some("  "));
    }

    #[test]
    fn more_parameters_than_anybody_sends_are_refused() {
        let many = |number: usize| (0..number).map(|n| format!("p{n}")).collect::<Vec<_>>().join("&");
        assert!(Parameters::parse(&many(MOST)).is_ok());
        assert_eq!(
            Parameters::parse(&many(MOST + 1)).err(),
            Some(Unreadable::TooMany)
        );
    }
}
