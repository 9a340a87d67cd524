use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use resource_server::settings::{Document, Environment, Faults, Section};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::server::address;

/// What makes a token hard to guess, as far as one can see it: `openssl rand -hex 32` makes 64 characters of 16 kinds.
const SHORTEST_TOKEN: usize = 32;
const FEWEST_KINDS: usize = 8;
const TOKEN_RULE: &str = "must have 32 characters or more, 8 of them different, all of them letters, digits or one of -._~+/= \
     (`openssl rand -hex 32` makes one)";

/// `[management]`: where operators come in.
#[derive(Debug)]
pub struct ManagementConfig {
    /// The address of what is for operators; none means that there is nothing.
    pub listen: Option<SocketAddr>,
    /// Whoever has it may list and end sessions; none means that nobody may.
    pub admin_token: Option<AdminToken>,
}

/// What a command that talks to the management address has to find in the file.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Where the address is.
    pub listen: bool,
    /// The secret of administrators.
    pub admin_token: bool,
}

/// The secret by which an operator's tools prove that they may administer sessions.
#[derive(Debug, Clone)]
pub struct AdminToken(SecretString);

impl AdminToken {
    /// Takes a token that is hard to guess and travels in a header as it is (RFC 6750 §2.1).
    ///
    /// # Errors
    /// The rule, when it is none.
    #[expect(clippy::disallowed_methods, reason = "its characters are judged")]
    pub fn parse(token: SecretString) -> Result<Self, &'static str> {
        let text = token.expose_secret().as_bytes();
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        let mut kinds = text.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        if text.len() >= SHORTEST_TOKEN && kinds.len() >= FEWEST_KINDS && text.iter().all(fits) {
            Ok(Self(token))
        } else {
            Err(TOKEN_RULE)
        }
    }

    /// Whether this is the token. Digests are compared: neither length nor content of either shows in how long it takes.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        let of = |text: &str| digest(&SHA256, text.as_bytes());
        of(self.expose()).as_ref().ct_eq(of(presented).as_ref()).into()
    }

    /// The token itself, for the header of a request.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "compared by digest, and sent by the command"
    )]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl ManagementConfig {
    /// Reads this section alone, for a command that needs no more of the file than the way to a BFF that runs.
    ///
    /// # Errors
    /// Every fault of the section at once.
    pub fn parse(toml: &str, environment: Environment<'_>, needs: Needs) -> Result<Self, Faults> {
        let document = Document::parse(toml, environment)?;
        let faults = Faults::default();
        let section = document.root(&faults).section("management");
        if needs.listen && !section.has("listen") {
            section.fault("listen", None, "is missing: set it, or name a BFF by --url");
        }
        if needs.admin_token && !section.has("admin_token_file") && !section.has("admin_token_env") {
            let rule = "is missing: set it or admin_token_env, or name a file by --token-file";
            section.fault("admin_token_file", None, rule);
        }
        let read = Self::read(section);
        faults.into_result(read)
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let has_address = section.has("listen");
        let listen = section.optional_parsed("listen", address);
        let secret = section.optional_secret("admin_token");
        if matches!(secret, Some(Some(_))) && !has_address {
            let rule = "needs management.listen: there is no other address that takes it";
            section.fault("admin_token", None, rule);
        }
        let admin_token = secret.and_then(|secret| match secret.map(AdminToken::parse).transpose() {
            Ok(token) => Some(token),
            Err(rule) => {
                section.fault("admin_token", None, rule);
                None
            }
        });
        section.finish();

        Some(Self {
            listen: listen?,
            admin_token: admin_token?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789ABCDEF";

    fn faults_of(lines: &str, token: &str, needs: Needs) -> Vec<String> {
        let environment = |name: &str| (name == "TOKEN").then(|| token.to_owned());
        let faults = ManagementConfig::parse(&format!("[management]\n{lines}"), &environment, needs);
        let faults = faults.err().map(|faults| faults.list()).unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    const NOTHING: Needs = Needs {
        listen: false,
        admin_token: false,
    };
    const BOTH: Needs = Needs {
        listen: true,
        admin_token: true,
    };

    #[test]
    fn a_token_that_can_be_guessed_or_does_not_travel_is_a_fault_that_does_not_quote_it() {
        let lines = "listen = \"127.0.0.1:1\"\nadmin_token_env = \"TOKEN\"\n";
        assert_eq!(faults_of(lines, GOOD, BOTH), Vec::<String>::new());
        for bad in [
            &GOOD[1..],
            &"ab1".repeat(20),
            &format!("{GOOD} x"),
            &format!("{GOOD}\u{e4}"),
            &format!("{GOOD}\r\nX: y"),
        ] {
            let faults = faults_of(lines, bad, BOTH);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(
                faults[0].starts_with("management.admin_token: must have 32"),
                "{faults:?}"
            );
            assert!(!faults[0].contains(bad), "{faults:?}");
        }
    }

    #[test]
    fn a_token_without_an_address_that_takes_it_is_a_fault() {
        let faults = faults_of("admin_token_env = \"TOKEN\"\n", GOOD, NOTHING);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("management.listen"), "{faults:?}");
    }

    #[test]
    fn a_token_never_stands_in_the_file() {
        let lines = format!("listen = \"127.0.0.1:1\"\nadmin_token = \"{GOOD}\"\n");
        let faults = faults_of(&lines, GOOD, NOTHING);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(!faults[0].contains(GOOD), "{faults:?}");
    }

    #[test]
    fn a_command_is_told_all_that_it_misses() {
        assert_eq!(faults_of("", GOOD, NOTHING), Vec::<String>::new());
        let faults = faults_of("port = 1\n", GOOD, BOTH);
        for key in [
            "management.listen",
            "management.admin_token_file",
            "management.port",
        ] {
            assert!(
                faults.iter().any(|fault| fault.starts_with(key)),
                "{key} in {faults:?}"
            );
        }
    }

    #[test]
    fn only_the_token_itself_is_the_token() {
        let token = AdminToken::parse(SecretString::from(GOOD)).unwrap();
        assert!(token.is(GOOD));
        for other in ["", &GOOD[1..], &format!("{GOOD}0"), &GOOD.to_lowercase()] {
            assert!(!token.is(other), "{other:?}");
        }
        assert!(!format!("{token:?}").contains(GOOD));
    }
}
