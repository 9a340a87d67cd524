//! The request that a login begins with (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use url::Url;

/// `prompt`: how the provider is to treat a user it already knows (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Show nothing; fail if something would have to be shown.
    None,
    /// Ask for the password again.
    Login,
    /// Ask for consent again.
    Consent,
    /// Let the user choose an account.
    SelectAccount,
    /// Let the user make an account (Initiating User Registration 1.0).
    Create,
}

impl Prompt {
    /// Reads the value of a parameter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "login" => Some(Self::Login),
            "consent" => Some(Self::Consent),
            "select_account" => Some(Self::SelectAccount),
            "create" => Some(Self::Create),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }
}

/// Everything that goes into the request.
#[derive(Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// Our client.
    pub client_id: &'a str,
    /// Our callback.
    pub redirect_uri: &'a str,
    /// Scopes, separated by spaces.
    pub scope: &'a str,
    /// The audiences that later refreshes may name (RFC 8707 §2.1).
    pub resources: &'a [String],
    /// Ties the answer to this browser's login.
    pub state: &'a str,
    /// Ties the ID token to this login.
    pub nonce: &'a str,
    /// The secret whose digest is sent now and which is shown at the token endpoint.
    pub code_verifier: &'a str,
    /// How to treat a known user.
    pub prompt: Option<Prompt>,
    /// Whom the page expects to sign in.
    pub login_hint: Option<&'a str>,
}

impl AuthorizationRequest<'_> {
    /// The URL to send the browser to.
    #[must_use]
    pub fn to_url(&self, authorization_endpoint: &Url) -> Url {
        let challenge = BASE64URL.encode(digest(&SHA256, self.code_verifier.as_bytes()));
        let mut url = authorization_endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("scope", self.scope)
            .append_pair("state", self.state)
            .append_pair("nonce", self.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        for resource in self.resources {
            query.append_pair("resource", resource);
        }
        if let Some(prompt) = self.prompt {
            query.append_pair("prompt", prompt.as_str());
        }
        if let Some(hint) = self.login_hint {
            query.append_pair("login_hint", hint);
        }
        drop(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// The verifier and challenge of RFC 7636 appendix B.
    #[test]
    fn the_request_asks_for_a_code_with_pkce() {
        let request = AuthorizationRequest {
            client_id: "app",
            redirect_uri: "https://app.example/bff/callback",
            scope: "openid profile",
            resources: &["https://files.example".to_owned()],
            state: "the-state",
            nonce: "the-nonce",
            code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            prompt: Some(Prompt::Login),
            login_hint: Some("alice & bob"),
        };
        let url = request.to_url(&Url::parse("https://op.example/authorize?tenant=7").unwrap());
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();

        assert_eq!(query["tenant"], "7");
        assert_eq!(query["response_type"], "code");
        assert_eq!(
            query["code_challenge"],
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["resource"], "https://files.example");
        assert_eq!(query["prompt"], "login");
        assert_eq!(query["login_hint"], "alice & bob");
        assert!(!url.as_str().contains("dBjftJeZ4CVP"));
    }
}
