use std::time::Duration;

use resource_server::settings::Section;
use secrecy::SecretString;
use url::Url;

use super::server::is_loopback;
use crate::provider::{Audiences, ClientAuth, ProviderSettings};

/// `[provider]`: the OpenID provider and our registration there.
#[derive(Debug)]
pub struct ProviderConfig {
    /// What the provider's calls need.
    pub settings: ProviderSettings,
    /// What a login asks for, separated by spaces; `openid` is always among it.
    pub scope: String,
    /// Whether logout sends the ID token through the browser.
    pub sends_id_token_hint: bool,
    /// How the provider gives access tokens for the audience and scopes of a route.
    pub audiences: Audiences,
}

/// What other sections are judged by: each where it could be read, whatever else is wrong with the provider's.
#[derive(Debug, Default)]
pub(super) struct ProviderFacts {
    /// The deadline of a call.
    pub(super) timeout: Option<Duration>,
    /// As [`ProviderConfig::scope`].
    pub(super) scope: Option<String>,
    /// As [`ProviderConfig::audiences`].
    pub(super) audiences: Option<Audiences>,
}

impl ProviderConfig {
    pub(super) fn read(mut section: Section<'_>, facts: &mut ProviderFacts) -> Option<Self> {
        let over_http = section.switch_or("issuer_over_http", false).unwrap_or(false);
        let issuer = section.parsed("issuer", |text| issuer(text, over_http));
        let client_id = section.parsed("client_id", client_id);
        let secret = section.secret("client_secret");
        let client_auth = section.parsed_or("client_auth", "basic", client_auth);
        let scopes = section.texts_or("scopes", &["openid", "profile", "offline_access"]);
        let scope = scopes.and_then(|scopes| scope(&section, &scopes));
        let timeout = section.duration_or(
            "timeout",
            Duration::from_secs(10),
            Duration::from_secs(1)..=Duration::from_secs(20),
        );
        let userinfo = section.switch_or("userinfo", true);
        let sends_id_token_hint = section.switch_or("logout_id_token_hint", false);
        let audiences = section.parsed_or("audiences", "resource", Audiences::parse);
        section.finish();
        *facts = ProviderFacts {
            timeout,
            scope: scope.clone(),
            audiences,
        };

        let (issuer, issuer_url) = issuer?;
        Some(Self {
            settings: ProviderSettings {
                issuer,
                issuer_url,
                client_id: client_id?,
                client_auth: client_auth?(secret?),
                timeout: timeout?,
                userinfo: userinfo?,
            },
            scope: scope?,
            sends_id_token_hint: sends_id_token_hint?,
            audiences: audiences?,
        })
    }
}

/// Keeps the text as written beside the parsed URL: the issuer is compared byte for byte.
fn issuer(text: &str, over_http: bool) -> Result<(String, Url), &'static str> {
    const RULE: &str = "must be an https URL without query and fragment";
    let url = Url::parse(text).map_err(|_| RULE)?;
    let plain =
        url.has_host() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.scheme() {
        "https" if plain => Ok((text.to_owned(), url)),
        "http" if plain && (over_http || is_loopback(&url)) => Ok((text.to_owned(), url)),
        "http" if plain => Err("must be https: client secret and tokens travel there (see issuer_over_http)"),
        _ => Err(RULE),
    }
}

fn client_id(text: &str) -> Result<String, &'static str> {
    // RFC 6749 appendix A.1: visible ASCII and space.
    let fits = !text.is_empty() && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be visible ASCII and not empty")
    }
}

fn client_auth(text: &str) -> Result<fn(SecretString) -> ClientAuth, &'static str> {
    match text {
        "basic" => Ok(ClientAuth::Basic),
        "post" => Ok(ClientAuth::Post),
        _ => Err("must be \"basic\" or \"post\""),
    }
}

fn scope(section: &Section<'_>, scopes: &[String]) -> Option<String> {
    if !scopes.iter().all(|scope| is_scope_token(scope)) {
        section.fault(
            "scopes",
            Some(format!("{scopes:?}")),
            "each must be a scope token (RFC 6749 §3.3)",
        );
        return None;
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        section.fault(
            "scopes",
            Some(format!("{scopes:?}")),
            "must contain \"openid\": a login needs an ID token",
        );
        return None;
    }
    Some(scopes.join(" "))
}

/// RFC 6749 §3.3.
pub(super) fn is_scope_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
