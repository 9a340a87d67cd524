//! Which BFF a command talks to, and by which token.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use bff::config::{AdminToken, ManagementConfig, Needs};
use resource_server::settings::process_environment;
use secrecy::SecretString;
use url::Url;

/// A management address and the token for it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) token: AdminToken,
}

/// What is wrong with the files that should say so.
#[derive(Debug)]
pub(super) struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// Takes what the arguments say, and reads from the configuration file what they do not.
    pub(super) fn find(
        config: &Path,
        url: Option<&Url>,
        token_file: Option<&Path>,
    ) -> Result<Self, Unusable> {
        let token = token_file.map(read_token).transpose()?;
        if let (Some(url), Some(token)) = (url, token.clone()) {
            let url = url.clone();
            return Ok(Self { url, token });
        }
        let needs = Needs {
            listen: url.is_none(),
            admin_token: token.is_none(),
        };
        let found = read_config(config, needs)?;
        let url = url
            .cloned()
            .or_else(|| found.listen.and_then(url_of))
            .ok_or_else(|| {
                Unusable(format!(
                    "{}: management.listen leads nowhere: name a BFF by --url",
                    config.display()
                ))
            })?;
        let token = token
            .or(found.admin_token)
            .ok_or_else(|| Unusable(format!("{}: there is no admin token", config.display())))?;
        Ok(Self { url, token })
    }

    #[cfg(test)]
    pub(super) fn for_tests(url: Url) -> Self {
        let token = SecretString::from("0123456789abcdef0123456789abcdef");
        let token = AdminToken::parse(token).unwrap();
        Self { url, token }
    }
}

fn read_config(path: &Path, needs: Needs) -> Result<ManagementConfig, Unusable> {
    let text = fs::read_to_string(path)
        .map_err(|error| Unusable(format!("{} cannot be read: {error}", path.display())))?;
    ManagementConfig::parse(&text, &process_environment, needs)
        .map_err(|faults| Unusable(format!("{}: {faults}", path.display())))
}

fn read_token(path: &Path) -> Result<AdminToken, Unusable> {
    let unusable = |why: &dyn fmt::Display| Unusable(format!("--token-file {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    AdminToken::parse(SecretString::from(text.trim().to_owned())).map_err(|rule| unusable(&rule))
}

/// How an address that a BFF of this machine listens on is reached; none if the system chooses the port.
fn url_of(listen: SocketAddr) -> Option<Url> {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, listen.port());
    (address.port() != 0).then(|| Url::parse(&format!("http://{address}/")).ok())?
}

/// Reads the address of another BFF. A path is that of a proxy in front of it.
pub(super) fn url(text: &str) -> Result<Url, &'static str> {
    const RULE: &str = "must be an http or https URL such as http://10.0.0.5:8081";
    let mut url = Url::parse(text).map_err(|_| RULE)?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !is_plain || url.password().is_some() {
        return Err(RULE);
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everybody_is_reached_from_this_machine() {
        let url_of = |text: &str| url_of(text.parse().unwrap()).map(String::from);
        assert_eq!(url_of("0.0.0.0:8081").as_deref(), Some("http://127.0.0.1:8081/"));
        assert_eq!(url_of("[::]:8081").as_deref(), Some("http://[::1]:8081/"));
        assert_eq!(url_of("10.0.0.5:81").as_deref(), Some("http://10.0.0.5:81/"));
        assert_eq!(url_of("127.0.0.1:0"), None);
    }

    #[test]
    fn an_url_leads_to_a_server_and_holds_no_secret() {
        for (text, read) in [
            ("http://10.0.0.5:8081", "http://10.0.0.5:8081/"),
            ("https://ops.example/bff-1", "https://ops.example/bff-1/"),
        ] {
            assert_eq!(url(text).unwrap().as_str(), read);
        }
        for text in [
            "10.0.0.5:8081",
            "ftp://x",
            "http://u:p@x",
            "http://x/?a",
            "http://x/#a",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
