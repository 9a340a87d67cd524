//! The grants that get access tokens after the login.

use std::sync::Arc;

use resource_server::verifier::TokenError;
use tokio::time::Instant;

use super::discovery::Discovered;
use super::error::ProviderError;
use super::http::Provider;
use super::id_token::ExpectedIdToken;
use super::token_endpoint::{ACCESS_TOKEN_TYPE, Granted, read_answer, read_exchange};
use crate::errors::chain;
use crate::session::tokens::{AccessToken, RefreshToken, Target};

/// How the provider gives access tokens for an audience and scopes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audiences {
    /// A refresh names the audience as `resource` (RFC 8707) and the scopes as `scope` (RFC 6749 §6).
    Resource,
    /// The session's access token is exchanged for one with this `audience` and `scope` (RFC 8693).
    Exchange,
}

impl Audiences {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// The rule, when it is another word.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "resource" => Ok(Self::Resource),
            "exchange" => Ok(Self::Exchange),
            _ => Err("must be \"resource\" or \"exchange\""),
        }
    }

    const fn parameter(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Exchange => "audience",
        }
    }

    /// The fields that ask for a target.
    fn fields(self, target: &Target) -> impl Iterator<Item = (&'static str, &str)> {
        let audience = target
            .audience
            .as_deref()
            .map(|audience| (self.parameter(), audience));
        let scope = target.scope.as_deref().map(|scope| ("scope", scope));
        audience.into_iter().chain(scope)
    }
}

/// Whether an ID token is neither proven nor disproven: its key is not known here, or the clocks differ. It came from the
/// provider itself over TLS, and the session's user is known since the login.
fn cannot_be_judged(error: &ProviderError) -> bool {
    match error {
        ProviderError::Keys(_) => true,
        ProviderError::Unproven(cause) => matches!(
            cause.downcast_ref::<TokenError>(),
            Some(
                TokenError::UnknownKey
                    | TokenError::Expired
                    | TokenError::NotYetValid
                    | TokenError::IssuedInTheFuture
            )
        ),
        _ => false,
    }
}

impl Provider {
    /// Exchanges a refresh token (RFC 6749 §6). An ID token in the answer has to be about the same user; one that cannot
    /// be judged is left out, since refusing the answer would lose the session.
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached, or its answer is about somebody else.
    pub async fn refresh(
        self: &Arc<Self>,
        refresh_token: &RefreshToken,
        subject: &str,
        target: &Target,
        audiences: Audiences,
    ) -> Result<Granted, ProviderError> {
        self.hold_off.pass(Instant::now())?;
        let discovered = self.discovered().await.map_err(ProviderError::beforehand)?;
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        form.extend(audiences.fields(target));
        let granted = self
            .token_request(&discovered.metadata, &form, read_answer)
            .await?;
        self.check_subject(&discovered, granted, subject).await
    }

    async fn check_subject(
        self: &Arc<Self>,
        discovered: &Discovered,
        mut granted: Granted,
        subject: &str,
    ) -> Result<Granted, ProviderError> {
        let Some(id_token) = granted.id_token.take() else {
            return Ok(granted);
        };
        let expected = ExpectedIdToken::OfRefresh { subject };
        match self
            .identify(discovered, &id_token, expected, &granted.access_token)
            .await
        {
            Ok(_) => granted.id_token = Some(id_token),
            Err(error) if cannot_be_judged(&error) => {
                tracing::warn!(error = chain(&error), "a refreshed ID token was left out");
            }
            Err(error) => {
                self.revoke_unused(&granted).await;
                return Err(error);
            }
        }
        Ok(granted)
    }

    /// Exchanges an access token for one of another audience or scope (RFC 8693 §2.1).
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached, or answers with something else than an access token.
    pub async fn exchange_token(
        self: &Arc<Self>,
        subject_token: &AccessToken,
        target: &Target,
    ) -> Result<Granted, ProviderError> {
        self.hold_off.pass(Instant::now())?;
        let discovered = self.discovered().await?;
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject_token.expose()),
            ("subject_token_type", ACCESS_TOKEN_TYPE),
            ("requested_token_type", ACCESS_TOKEN_TYPE),
        ];
        form.extend(Audiences::Exchange.fields(target));
        self.token_request(&discovered.metadata, &form, read_exchange)
            .await
    }

    /// Gets an access token for our own client (RFC 6749 §4.4).
    ///
    /// # Errors
    /// When the provider refuses or cannot be reached.
    pub async fn client_credentials(
        self: &Arc<Self>,
        target: &Target,
        audiences: Audiences,
    ) -> Result<Granted, ProviderError> {
        self.hold_off.pass(Instant::now())?;
        let discovered = self.discovered().await?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(audiences.fields(target));
        self.token_request(&discovered.metadata, &form, read_answer).await
    }
}
