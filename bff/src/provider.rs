//! The OpenID provider as seen from here: any provider that speaks OpenID Connect.
//!
//! `http` alone builds a client and sends; everything else decides.

mod authorization_request;
mod client_auth;
mod discovery;
mod error;
mod grants;
mod hold_off;
mod http;
mod id_token;
mod logout_token;
mod token_endpoint;

pub use authorization_request::{AuthorizationRequest, Prompt};
pub use client_auth::ClientAuth;
pub use discovery::{Discovered, Metadata, MetadataError};
pub use error::ProviderError;
pub use grants::Audiences;
pub use http::{Provider, ProviderSettings};
pub use id_token::{ExpectedIdToken, IdTokenError, Identity};
pub use logout_token::{LogoutToken, LogoutTokenError, LogoutTokens};
pub use token_endpoint::{Granted, OAuthError, OAuthErrorCode, TokenAnswerError};
