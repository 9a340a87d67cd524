//! Query and form parameters as OAuth reads them: each at most once (RFC 6749 §3.1).

use url::form_urlencoded;

/// The parameters of a request; codes and states among them, so they show themselves nowhere.
pub struct Parameters(Vec<(String, String)>);

/// A parameter stands more than once, so that two readers might read two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Parameters {
    /// Reads a query or form body.
    ///
    /// # Errors
    /// When a parameter is repeated.
    pub fn parse(text: &str) -> Result<Self, Repeated> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.iter().any(|(held, _)| *held == name) {
                return Err(Repeated);
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
        assert!(Parameters::parse("state=a&state=b").is_err());
        assert!(Parameters::parse("state=a&st%61te=b").is_err());
        assert_eq!(Parameters::parse("a=1&b=%20+").unwrap().one("b"), Some("  "));
    }
}
