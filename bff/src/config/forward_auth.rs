use resource_server::settings::Section;

use super::management::AdminToken;
use super::server::own_path;

/// `[forward_auth]`: what gateways ask that stand in front of other applications on our host.
#[derive(Debug)]
pub struct ForwardAuthConfig {
    /// The path that they ask; none means that nobody is answered.
    pub path: Option<String>,
    /// Where the method of the client's request is.
    pub original_method: OriginalMethod,
    /// Who has it is a gateway; none means that anybody may ask.
    pub gateway_secret: Option<AdminToken>,
    /// Whether the answer holds the access token.
    pub access_token: bool,
    /// Whether the answer holds an address that the provider has not verified.
    pub unverified_email: bool,
}

/// Where the method of the client's request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginalMethod {
    /// In `X-Forwarded-Method` or `X-Original-Method`; a gateway always asks by `GET`.
    Header,
    /// It is that by which the gateway asks, at a path with the client's path behind ours (Envoy).
    Request,
}

impl OriginalMethod {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "header" => Ok(Self::Header),
            "request" => Ok(Self::Request),
            _ => Err("must be \"header\" or \"request\""),
        }
    }
}

impl ForwardAuthConfig {
    pub(super) fn read(mut section: Section<'_>, base_path: &str) -> Option<Self> {
        let path = section.optional_parsed("path", |text| path(text, base_path));
        let original_method = section.parsed_or("original_method", "header", OriginalMethod::parse);
        let secret = section.optional_secret("gateway_secret");
        let access_token = section.switch_or("access_token", false);
        let unverified_email = section.switch_or("unverified_email", false);
        if access_token == Some(true) && matches!(secret, Some(None)) {
            // A script of our own pages could ask as well, and would get what no page may hold.
            let rule = "needs forward_auth.gateway_secret: the answer is for gateways only";
            section.fault("access_token", Some("true".to_owned()), rule);
        }
        let gateway_secret = secret.and_then(|secret| match secret.map(AdminToken::parse).transpose() {
            Ok(secret) => Some(secret),
            Err(rule) => {
                section.fault("gateway_secret", None, rule);
                None
            }
        });
        section.finish();
        Some(Self {
            path: path?,
            original_method: original_method?,
            gateway_secret: gateway_secret?,
            access_token: access_token?,
            unverified_email: unverified_email?,
        })
    }
}

fn path(text: &str, base_path: &str) -> Result<String, String> {
    let path = own_path(text)?;
    if path == base_path || path.starts_with(&format!("{base_path}/")) {
        return Err(format!("lies within {base_path} (server.base_path)"));
    }
    if base_path.starts_with(&format!("{path}/")) {
        return Err(format!("{base_path} (server.base_path) lies within it"));
    }
    Ok(path)
}
