//! Verifies tokens that this server issued itself and that come back to it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::claims::Claims;
use resource_server::time::UnixTime;
use resource_server::verifier::{InvalidVerifier, MAX_TOKEN_BYTES, Verifier, VerifierBuilder};

use crate::client::Clients;
use crate::key::{Signer, SigningAlgorithm};

/// An ID token says who a logout is for long after it expired (RP-Initiated Logout §4). Ten years are always.
const HINT_LEEWAY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Verifies what was issued here, whoever it was issued for: which clients and audiences there are changes meanwhile.
#[derive(Debug)]
pub(crate) struct OwnTokens {
    signer: Arc<Signer>,
    issuer: String,
    /// Of the tokens that open `/userinfo`: their audience is the issuer.
    user_info: Verifier,
}

/// What a genuine ID token says about the session it was issued in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdTokenHint {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) sid: Option<String>,
}

impl OwnTokens {
    pub(crate) fn new(signer: Arc<Signer>, issuer: &str) -> Result<Self, InvalidVerifier> {
        Ok(Self {
            signer,
            issuer: issuer.to_owned(),
            user_info: of_ours(Verifier::access_token(issuer, issuer)).build()?,
        })
    }

    /// The claims of a live access token of ours, whichever API it is for.
    pub(crate) fn access_token(&self, token: &str, now: UnixTime) -> Option<Claims> {
        let audience = claimed_audience(token)?.into_iter().next()?;
        of_ours(Verifier::access_token(&self.issuer, &audience))
            .build()
            .ok()?
            .verify(token, self.signer.ring().published()?, now)
            .ok()
    }

    /// The claims of a live access token that is meant for `/userinfo`.
    pub(crate) fn user_info_token(&self, token: &str, now: UnixTime) -> Option<Claims> {
        self.user_info
            .verify(token, self.signer.ring().published()?, now)
            .ok()
    }

    /// What a genuine ID token of ours for a client that is there says, even if it has expired.
    pub(crate) fn id_token_hint(&self, token: &str, clients: &Clients, now: UnixTime) -> Option<IdTokenHint> {
        // Our ID tokens have one audience.
        let client_id = claimed_audience(token)?.pop()?;
        clients.find(&client_id)?;
        let claims = of_ours(Verifier::id_token(&self.issuer, &client_id))
            .leeway(HINT_LEEWAY)
            .build()
            .ok()?
            .verify(token, self.signer.ring().of_hints()?, now)
            .ok()?;
        let sid = claims
            .get("sid")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned);
        Some(IdTokenHint {
            client_id,
            user_id: claims.subject().to_owned(),
            sid,
        })
    }
}

/// Whatever a client is registered for today: its tokens of yesterday may be of another algorithm.
fn of_ours(verifier: VerifierBuilder) -> VerifierBuilder {
    verifier.algorithms(&SigningAlgorithm::ALL.map(SigningAlgorithm::verified))
}

/// Which audiences a token says it is for, to pick the verifier that then checks exactly that. Nothing else is
/// believed of a token that has not been verified.
fn claimed_audience(token: &str) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        aud: Audience,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Several(Vec<String>),
    }
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    match serde_json::from_slice::<Claimed>(&json).ok()?.aud {
        Audience::One(audience) => Some(vec![audience]),
        Audience::Several(audiences) => Some(audiences),
    }
}
