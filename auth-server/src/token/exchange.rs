//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): from an access token of ours to one that
//! is good elsewhere.
//!
//! The new token is a part of the old one: the same user and grant, no scope and no second more. Whoever may exchange
//! a token is the client that it was issued to, or an API that it is for and that has been registered for this
//! (`exchanged_by`): an access token that is stolen, or sent to somebody else's API, opens nothing here.

use resource_server::claims::Claims;
use resource_server::time::UnixTime;
use serde_json::{Value, json};

use super::error::TokenError;
use super::introspection::grant_handle;
use super::issue::{Exchanged, Issuance, TokenResponse};
use super::resource;
use crate::client::Client;
use crate::grant::target::Target;
use crate::ops::audit;
use crate::params::Params;
use crate::scope::ScopeSet;
use crate::state::Shared;
use crate::store::LiveGrant;

/// The one type of token that is taken and given (RFC 8693 §3).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// How many APIs may act for one another, so that tokens do not grow without end. Eight are more than anybody calls
/// through.
const MOST_ACTORS: usize = 8;

/// A token that the asking client may exchange.
struct Subject {
    claims: Claims,
    grant: LiveGrant,
    /// Whether the client exchanges what was issued to itself, and does not act for another.
    is_own: bool,
}

/// Exchanges an access token.
pub(crate) async fn exchange(
    shared: &Shared,
    client: &Client,
    form: &Params,
) -> Result<TokenResponse, TokenError> {
    let token = read(form)?;
    let asked = target_asked(form)?;
    let requested = form.get("scope").map(ScopeSet::parse).transpose();
    let requested = requested.map_err(|_| TokenError::InvalidScope)?;
    let now = shared.now();
    let subject = subject_of(shared, client, token, now).await?;
    let held = subject.claims.get("scope").and_then(Value::as_str);
    let held = ScopeSet::parse(held.unwrap_or_default()).map_err(|_| unacceptable())?;
    // A grant names what its own client may ask for; what an API may go on to is its own registration's matter.
    let is_of_grant = subject.grant.client_id == client.id;
    let named = is_of_grant.then_some(&subject.grant.resources);
    let held = client.still_allows(&held);
    let target = Target::for_exchange(&client.resources, named, &held, requested, asked)?;
    let exchanged = Exchanged {
        client,
        subject: &subject.claims,
        target: &target,
        actors: actors(&subject, client)?,
        status_index: subject.grant.status_index,
    };
    let issuance = Issuance {
        config: &shared.config,
        signer: &shared.signer,
        now,
    };
    let issued = issuance.for_exchange(&exchanged)?;
    let who = audit::Subject {
        user_id: &subject.grant.user_id,
        sid: &subject.grant.sid,
    };
    audit::token_exchanged(who, &client.id, subject.claims.client_id().unwrap_or_default());
    Ok(issued)
}

/// The token to exchange. What is asked for and cannot be given is refused and not left out: an `actor_token` that is
/// not looked at would be taken for one that was.
fn read(form: &Params) -> Result<&str, TokenError> {
    let token = form
        .get("subject_token")
        .ok_or_else(|| TokenError::invalid_request("subject_token is missing"))?;
    match form.get("subject_token_type") {
        Some(ACCESS_TOKEN_TYPE) => {}
        Some(_) => return Err(TokenError::invalid_request("only access tokens can be exchanged")),
        None => return Err(TokenError::invalid_request("subject_token_type is missing")),
    }
    if form
        .get("requested_token_type")
        .is_some_and(|wanted| wanted != ACCESS_TOKEN_TYPE)
    {
        return Err(TokenError::invalid_request("only access tokens are issued"));
    }
    if ["actor_token", "actor_token_type"]
        .iter()
        .any(|name| form.get(name).is_some())
    {
        return Err(TokenError::invalid_request(
            "the client itself is the actor: actor_token is not supported",
        ));
    }
    Ok(token)
}

/// By either of its names (RFC 8693 §2.1); an API has one here.
fn target_asked(form: &Params) -> Result<Option<&str>, TokenError> {
    match (resource::asked(form)?, form.get("audience")) {
        (Some(resource), Some(audience)) if resource != audience => Err(TokenError::InvalidTarget),
        (resource, audience) => Ok(resource.or(audience)),
    }
}

/// Judges the token. Who may not have it exchanged is told what they are told of garbage.
async fn subject_of(
    shared: &Shared,
    client: &Client,
    token: &str,
    now: UnixTime,
) -> Result<Subject, TokenError> {
    // Who asks here gets no leeway.
    let claims = shared
        .own_tokens
        .access_token(token, now)
        .filter(|claims| now < claims.expires_at())
        .ok_or_else(unacceptable)?;
    let clients = shared.clients();
    let owner = claims.client_id().and_then(|id| clients.find(id));
    let is_own = owner.ok_or_else(unacceptable)?.id == client.id;
    if !is_own && !is_for(shared, client, &claims) {
        tracing::warn!(client.id = %client.id, "a client tried to exchange an access token that is not for it");
        return Err(unacceptable());
    }
    // A client's own token has no grant: whoever acts for itself asks for a token of its own.
    let handle = grant_handle(&claims).ok_or_else(unacceptable)?;
    let grant = shared.store.live_grant(&handle).await?.ok_or_else(unacceptable)?;
    Ok(Subject {
        claims,
        grant,
        is_own,
    })
}

/// Whether the client is one of the APIs that the token is for.
fn is_for(shared: &Shared, client: &Client, claims: &Claims) -> bool {
    shared.config.resources.iter().any(|resource| {
        resource.exchanged_by.contains(&client.id) && claims.audience().any(|one| one == resource.identifier)
    })
}

/// Who acts for the user, the last one first (RFC 8693 §4.1). A client that narrows its own token acts no more than it did.
fn actors(subject: &Subject, client: &Client) -> Result<Option<Value>, TokenError> {
    let former = subject.claims.get("act");
    if subject.is_own {
        return Ok(former.cloned());
    }
    let depth = std::iter::successors(former, |actor| actor.get("act")).count();
    if depth >= MOST_ACTORS {
        return Err(TokenError::invalid_request("too many act for one another"));
    }
    Ok(Some(match former {
        Some(former) => json!({ "sub": client.id, "act": former }),
        None => json!({ "sub": client.id }),
    }))
}

/// RFC 8693 §2.2.2: a subject token that is not acceptable for any reason is an invalid request.
fn unacceptable() -> TokenError {
    TokenError::invalid_request("subject_token is not a live access token that this client may exchange")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_given_is_refused_by_name() {
        let given = format!("subject_token=x&subject_token_type={ACCESS_TOKEN_TYPE}");
        assert_eq!(read(&Params::parse(given.as_bytes())).unwrap(), "x");
        let id_token = "urn:ietf:params:oauth:token-type:id_token";
        for (form, told) in [
            ("subject_token_type=x".to_owned(), "subject_token is missing"),
            ("subject_token=x".to_owned(), "subject_token_type is missing"),
            (
                format!("subject_token=x&subject_token_type={id_token}"),
                "only access tokens can be exchanged",
            ),
            (
                format!("{given}&requested_token_type={id_token}"),
                "only access tokens are issued",
            ),
            (
                format!("{given}&actor_token=y&actor_token_type={ACCESS_TOKEN_TYPE}"),
                "the client itself is the actor: actor_token is not supported",
            ),
            (
                format!("{given}&actor_token_type={ACCESS_TOKEN_TYPE}"),
                "the client itself is the actor: actor_token is not supported",
            ),
        ] {
            let error = read(&Params::parse(form.as_bytes())).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.code_and_status()),
                (told, ("invalid_request", 400))
            );
        }
    }

    #[test]
    fn an_api_has_one_name() {
        let asked = |form: &str| {
            let form = Params::parse(form.as_bytes());
            target_asked(&form).map(|asked| asked.map(str::to_owned)).ok()
        };
        assert_eq!(
            asked("resource=urn:a&audience=urn:a"),
            Some(Some("urn:a".to_owned()))
        );
        assert_eq!(asked("audience=urn:a"), Some(Some("urn:a".to_owned())));
        assert_eq!(asked("resource=urn:a"), Some(Some("urn:a".to_owned())));
        assert_eq!(asked(""), Some(None));
        assert_eq!(asked("resource=urn:a&audience=urn:b"), None);
        assert_eq!(asked("resource=urn:a&resource=urn:b"), None);
    }
}
