//! Puts the tokens of one answer together.

use std::time::Duration;

use resource_server::claims::Claims;
use resource_server::time::UnixTime;
use serde::Serialize;
use serde_json::Value;

use super::claims::{
    ACR_OF_PASSWORD, AMR_OF_PASSWORD, AccessTokenClaims, GRANT_CLAIM, IdTokenClaims, StatusClaim, UserClaims,
    at_hash,
};
use super::error::TokenError;
use super::exchange::ACCESS_TOKEN_TYPE;
use crate::client::Client;
use crate::config::Config;
use crate::grant::claims::AskedClaims;
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::grant::status::StatusIndex;
use crate::grant::target::Target;
use crate::key::Signer;
use crate::key::signer::{SigningError, TokenType};
use crate::scope::{OPENID, ScopeSet};
use crate::secret::{base64url, random_handle};
use crate::status_list;
use crate::user::User;

/// The answer of the token endpoint (RFC 6749 §5.1). No `Debug`: it is made of secrets.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    /// RFC 8693 §2.2.1; of no other grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    expires_in: u64,
    /// RFC 6749 §3.3 knows no empty scope.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// What a user's tokens are made from.
#[derive(Debug)]
pub(crate) struct UserGrant<'g> {
    pub(crate) client: &'g Client,
    pub(crate) user: &'g User,
    pub(crate) family: FamilyId,
    /// What the client asked for of what was granted: decides about the ID token.
    pub(crate) scope: &'g ScopeSet,
    /// What the access token is for.
    pub(crate) target: &'g Target<'g>,
    pub(crate) sid: &'g str,
    pub(crate) auth_time: UnixTime,
    /// Where a resource server reads whether the grant stands.
    pub(crate) status_index: Option<StatusIndex>,
    /// What the request asked for by name.
    pub(crate) claims: &'g AskedClaims,
    /// Of the authorization request; absent in refreshed ID tokens (OIDC Core §12.2).
    pub(crate) nonce: Option<&'g str>,
}

/// What an exchanged token is made from.
#[derive(Debug)]
pub(crate) struct Exchanged<'g> {
    pub(crate) client: &'g Client,
    /// What the token says that is exchanged.
    pub(crate) subject: &'g Claims,
    pub(crate) target: &'g Target<'g>,
    /// Who acts for the user.
    pub(crate) actors: Option<Value>,
    /// Of the grant of that token.
    pub(crate) status_index: Option<StatusIndex>,
}

/// Signs what is issued.
#[derive(Clone, Copy)]
pub(crate) struct Issuance<'i> {
    pub(crate) config: &'i Config,
    pub(crate) signer: &'i Signer,
    pub(crate) now: UnixTime,
}

impl Issuance<'_> {
    /// Tokens for a user's grant; an ID token only for OpenID requests.
    pub(crate) fn for_user(
        &self,
        grant: &UserGrant<'_>,
        refresh_token: Option<&RefreshToken>,
    ) -> Result<TokenResponse, TokenError> {
        let claims = AccessTokenClaims {
            auth_time: Some(grant.auth_time.as_secs()),
            grant_id: Some(base64url(&grant.family.handle())),
            status: self.status(grant.status_index),
            ..self.access_token(grant.client, &grant.user.id, grant.target)
        };
        let access_token = self.sign_access_token(grant.client, &claims)?;
        let id_token = if grant.scope.contains(OPENID) {
            Some(self.id_token(grant, &access_token)?)
        } else {
            None
        };
        Ok(TokenResponse {
            refresh_token: refresh_token.map(RefreshToken::to_text),
            id_token,
            ..self.response(access_token, grant.target)
        })
    }

    /// An access token for the client itself (RFC 6749 §4.4.3): no refresh token, no ID token, `sub` is the client.
    pub(crate) fn for_client(
        &self,
        client: &Client,
        target: &Target<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let claims = self.access_token(client, &client.id, target);
        let access_token = self.sign_access_token(client, &claims)?;
        Ok(self.response(access_token, target))
    }

    fn sign_access_token(
        &self,
        client: &Client,
        claims: &AccessTokenClaims<'_>,
    ) -> Result<String, SigningError> {
        self.signer
            .sign(TokenType::AccessToken, client.signing.access_token, claims)
    }

    /// An access token that is a part of another one: of the same user and grant, and good no longer.
    pub(crate) fn for_exchange(&self, exchanged: &Exchanged<'_>) -> Result<TokenResponse, TokenError> {
        let subject = exchanged.subject;
        let own = self.access_token(exchanged.client, subject.subject(), exchanged.target);
        let ends = subject.expires_at().min(UnixTime::from_secs(own.exp));
        let claims = AccessTokenClaims {
            exp: ends.as_secs(),
            auth_time: subject.get("auth_time").and_then(Value::as_i64),
            grant_id: subject
                .get(GRANT_CLAIM)
                .and_then(Value::as_str)
                .map(str::to_owned),
            act: exchanged.actors.as_ref(),
            status: self.status(exchanged.status_index),
            ..own
        };
        let access_token = self.sign_access_token(exchanged.client, &claims)?;
        Ok(TokenResponse {
            expires_in: ends.since(self.now).as_secs(),
            issued_token_type: Some(ACCESS_TOKEN_TYPE),
            ..self.response(access_token, exchanged.target)
        })
    }

    fn response(&self, access_token: String, target: &Target<'_>) -> TokenResponse {
        TokenResponse {
            access_token,
            issued_token_type: None,
            token_type: "Bearer",
            expires_in: self.config.tokens.access_token.as_secs(),
            scope: target.scope.to_string(),
            refresh_token: None,
            id_token: None,
        }
    }

    fn access_token<'c>(
        &'c self,
        client: &'c Client,
        sub: &'c str,
        target: &'c Target<'_>,
    ) -> AccessTokenClaims<'c> {
        AccessTokenClaims {
            iss: self.config.issuer.as_str(),
            sub,
            aud: &target.audience,
            client_id: &client.id,
            scope: target.scope.to_string(),
            iat: self.now.as_secs(),
            exp: self.in_the_future(self.config.tokens.access_token),
            jti: random_handle(),
            auth_time: None,
            grant_id: None,
            act: None,
            status: None,
        }
    }

    /// What a token says of its place, if the lists are published.
    fn status(&self, index: Option<StatusIndex>) -> Option<StatusClaim> {
        let index = index.filter(|_| self.config.status_list.enabled)?;
        let uri = status_list::uri(&self.config.issuer, index.list());
        Some(StatusClaim::new(index.position(), uri))
    }

    fn id_token(&self, grant: &UserGrant<'_>, access_token: &str) -> Result<String, SigningError> {
        let asked = grant.claims.allowed_by(&grant.client.scopes);
        let algorithm = grant.client.signing.id_token;
        let claims = IdTokenClaims {
            iss: self.config.issuer.as_str(),
            sub: &grant.user.id,
            aud: &grant.client.id,
            exp: self.in_the_future(self.config.tokens.id_token),
            iat: self.now.as_secs(),
            auth_time: grant.auth_time.as_secs(),
            // A password is the one way of signing in here.
            acr: ACR_OF_PASSWORD,
            amr: AMR_OF_PASSWORD,
            sid: grant.sid,
            at_hash: at_hash(access_token, algorithm),
            nonce: grant.nonce,
            about: UserClaims::of(grant.user, grant.scope, &asked.id_token),
        };
        self.signer.sign(TokenType::IdToken, algorithm, &claims)
    }

    fn in_the_future(&self, by: Duration) -> i64 {
        (self.now + by).as_secs()
    }
}
