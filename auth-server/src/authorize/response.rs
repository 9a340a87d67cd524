//! The answer that the browser carries to the client (RFC 6749 §4.1.2, RFC 9207).

use crate::client::redirect_uri::with_parameters;

/// Where an answer goes. Whoever holds one knows that the client registered the URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnAddress {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
}

/// An `error` of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthorizationErrorCode {
    InvalidRequest,
    UnauthorizedClient,
    UnsupportedResponseType,
    InvalidScope,
    InvalidTarget,
    AccessDenied,
    LoginRequired,
    InteractionRequired,
    /// Of the specification "OpenID Connect Core Error Code unmet_authentication_requirements".
    UnmetAuthenticationRequirements,
    ConsentRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
}

impl AuthorizationErrorCode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
        }
    }
}

/// A refusal that the client is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizationError {
    pub(crate) code: AuthorizationErrorCode,
    pub(crate) description: String,
}

impl AuthorizationError {
    pub(crate) fn new(code: AuthorizationErrorCode, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }
}

impl ReturnAddress {
    /// The URL that brings a code.
    pub(crate) fn with_code(&self, issuer: &str, code: &str) -> String {
        self.with(issuer, &[("code", code)])
    }

    /// The URL that brings a refusal.
    pub(crate) fn with_error(&self, issuer: &str, error: &AuthorizationError) -> String {
        self.with(
            issuer,
            &[
                ("error", error.code.as_str()),
                ("error_description", &error.description),
            ],
        )
    }

    /// Whether only the client's own server can be reached there. A private-use scheme or a loopback port may have
    /// been taken by any program on the device (RFC 8252 §8.6).
    pub(crate) fn is_owned(&self) -> bool {
        self.redirect_uri.starts_with("https://")
    }

    /// The host that the browser goes on to; `None` when it stays on the device, with whichever program is there.
    pub(crate) fn host(&self) -> Option<String> {
        let url = url::Url::parse(&self.redirect_uri).ok()?;
        let is_on_device = match url.host()? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        };
        let is_web = matches!(url.scheme(), "http" | "https");
        (is_web && !is_on_device).then(|| url.host_str().map(str::to_owned))?
    }

    /// What a Content-Security-Policy has to allow so that a form here may end at the client.
    pub(crate) fn csp_source(&self) -> Option<String> {
        csp_source(&self.redirect_uri)
    }

    fn with(&self, issuer: &str, parameters: &[(&str, &str)]) -> String {
        let mut all = parameters.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", issuer));
        with_parameters(&self.redirect_uri, &all)
    }
}

/// The source that allows a redirect to this URI: Chromium applies `form-action` to the redirects that follow a form,
/// too.
pub(crate) fn csp_source(uri: &str) -> Option<String> {
    let url = url::Url::parse(uri).ok()?;
    let source = match (url.scheme(), url.host()) {
        // The grammar of CSP has no IPv6 addresses.
        ("http" | "https", Some(url::Host::Ipv6(_))) => format!("{}:", url.scheme()),
        ("http" | "https", Some(_)) => url.origin().ascii_serialization(),
        (scheme, _) => format!("{scheme}:"),
    };
    Some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(redirect_uri: &str) -> ReturnAddress {
        ReturnAddress {
            redirect_uri: redirect_uri.to_owned(),
            state: Some("s&t".to_owned()),
        }
    }

    #[test]
    fn every_answer_names_state_and_issuer() {
        let address = address("https://app.example/cb?tenant=1");
        assert_eq!(
            address.with_code("https://op.example", "c0de"),
            "https://app.example/cb?tenant=1&code=c0de&state=s%26t&iss=https%3A%2F%2Fop.example"
        );
        let error = AuthorizationError::new(AuthorizationErrorCode::AccessDenied, "no");
        assert_eq!(
            address.with_error("https://op.example", &error),
            "https://app.example/cb?tenant=1&error=access_denied&error_description=no&state=s%26t&iss=https%3A%2F%2Fop.example"
        );
    }

    #[test]
    fn forms_may_end_at_the_client_and_nowhere_else() {
        for (uri, source) in [
            ("https://app.example/cb", "https://app.example"),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
            ("http://[::1]:51004/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            assert_eq!(address(uri).csp_source().as_deref(), Some(source));
        }
    }
}
