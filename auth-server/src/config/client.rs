use resource_server::settings::Section;

use super::{ClientSecrets, Issuer};
use crate::client::{
    BackChannel, Client, ClientSigning, Clients, Consent, Grant, Kind, RedirectUri, Resource, Resources,
    SigningAlgorithm, is_client_id,
};
use crate::http::target;
use crate::scope::{OFFLINE_ACCESS, OPENID, ScopeSet};

mod credentials;
pub(super) mod stored;

use credentials::parse_kind;

/// Reads every `[[client]]`.
pub(super) fn parse_all(
    root: &mut Section<'_>,
    issuer: Option<&Issuer>,
    resources: Option<&[Resource]>,
    secrets: ClientSecrets,
) -> Option<Clients> {
    let mut clients: Vec<Client> = Vec::new();
    let mut whole = true;
    for mut section in root.sections("client") {
        let client = parse(&mut section, issuer, resources, secrets);
        match client {
            Some(client) if clients.iter().any(|earlier| earlier.id == client.id) => {
                section.fault(
                    "id",
                    Some(format!("{:?}", client.id)),
                    "is the id of an earlier client",
                );
                whole = false;
            }
            Some(client) => clients.push(client),
            None => whole = false,
        }
        section.finish();
    }
    whole.then(|| Clients::new(clients))
}

fn parse(
    section: &mut Section<'_>,
    issuer: Option<&Issuer>,
    resources: Option<&[Resource]>,
    secrets: ClientSecrets,
) -> Option<Client> {
    let id = section.parsed("id", parse_id);
    let name = section.text_or("name", id.as_deref().unwrap_or_default());
    let is_public = section.parsed_or("kind", "confidential", |kind| match kind {
        "confidential" => Ok(false),
        "public" => Ok(true),
        _ => Err("must be \"confidential\" or \"public\""),
    });
    let kind = is_public.and_then(|is_public| parse_kind(section, is_public, secrets));
    let redirect_uris = parse_redirect_uris(section, is_public.unwrap_or(false));
    let post_logout_redirect_uris = parse_post_logout(section);
    let back_channel = parse_back_channel(section);
    // Who only introspects needs no tokens.
    let introspects = id.as_ref().is_some_and(|id| {
        let mut all = resources.into_iter().flatten();
        all.any(|resource| resource.introspected_by.contains(id))
    });
    let grants = parse_grants(section, introspects);
    let scopes = parse_scopes(section);
    let require_pkce = section.switch_or("require_pkce", true);
    let require_pushed = section.switch_or("require_pushed_authorization_requests", false);
    let user_info = issuer.map_or("issuer", Issuer::as_str);
    let resources = parse_resources(section, user_info, resources, secrets);
    let signing = parse_signing(section);
    let consent = parse_consent(section);

    let client = Client {
        id: id?,
        name: name?,
        kind: kind?,
        redirect_uris: redirect_uris?,
        post_logout_redirect_uris: post_logout_redirect_uris?,
        back_channel: back_channel?,
        grants: grants?,
        scopes: scopes?,
        resources: resources?,
        require_pkce: require_pkce?,
        require_pushed_requests: require_pushed?,
        signing: signing?,
        consent: consent?,
    };
    check_combination(section, &client);
    Some(client)
}

fn parse_consent(section: &mut Section<'_>) -> Option<Consent> {
    section.parsed_or("consent", "none", |consent| match consent {
        "none" => Ok(Consent::None),
        "required" => Ok(Consent::Required),
        _ => Err("must be \"none\" or \"required\""),
    })
}

fn parse_id(id: &str) -> Result<String, &'static str> {
    if !is_client_id(id) {
        return Err("must be 1 to 255 printable ASCII characters");
    }
    Ok(id.to_owned())
}

fn parse_redirect_uris(section: &mut Section<'_>, is_public: bool) -> Option<Vec<RedirectUri>> {
    let texts = section.texts_or("redirect_uris", &[])?;
    let mut uris = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match RedirectUri::parse(text, is_public) {
            Ok(uri) => uris.push(uri),
            Err(rule) => section.fault(
                &format!("redirect_uris[{index}]"),
                Some(format!("{text:?}")),
                rule,
            ),
        }
    }
    (uris.len() == texts.len()).then_some(uris)
}

fn parse_post_logout(section: &mut Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts_or("post_logout_redirect_uris", &[])?;
    let mut whole = true;
    for (index, text) in texts.iter().enumerate() {
        // The same rules as for public clients: a native application may register its own scheme here.
        if let Err(rule) = RedirectUri::parse(text, true) {
            section.fault(
                &format!("post_logout_redirect_uris[{index}]"),
                Some(format!("{text:?}")),
                rule,
            );
            whole = false;
        }
    }
    whole.then_some(texts)
}

/// `backchannel_logout_uri` and `backchannel_logout_session_required`, by their names in registrations.
fn parse_back_channel(section: &mut Section<'_>) -> Option<Option<BackChannel>> {
    let uri = section.optional_parsed("backchannel_logout_uri", target::parse);
    let session_required = section.switch_or("backchannel_logout_session_required", false)?;
    match uri? {
        Some(uri) => Some(Some(BackChannel {
            uri,
            session_required,
        })),
        None if session_required => {
            let rule = "must not be set without backchannel_logout_uri";
            section.fault(
                "backchannel_logout_session_required",
                Some("true".to_owned()),
                rule,
            );
            None
        }
        None => Some(None),
    }
}

fn parse_grants(section: &mut Section<'_>, may_be_empty: bool) -> Option<Vec<Grant>> {
    let names = section.texts_or("grants", &[Grant::AuthorizationCode.as_str()])?;
    let mut grants = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        match Grant::parse(name) {
            Some(grant) => grants.push(grant),
            None => {
                let rule = format!("must be one of {:?}", Grant::ALL.map(Grant::as_str));
                section.fault(&format!("grants[{index}]"), Some(format!("{name:?}")), rule);
            }
        }
    }
    let is_missing = names.is_empty() && !may_be_empty;
    if is_missing {
        section.fault("grants", None, "must name at least one grant");
    }
    (grants.len() == names.len() && !is_missing).then_some(grants)
}

/// `audience` and `resources`. An audience that no `[[resource]]` describes knows every scope, so it goes with no other
/// resource: nobody could say whose scope is whose. A client of the database has none of these: one whose `[[resource]]`
/// is taken out of the file would have every scope there.
fn parse_resources(
    section: &mut Section<'_>,
    user_info: &str,
    described: Option<&[Resource]>,
    secrets: ClientSecrets,
) -> Option<Resources> {
    let Some(described) = described else {
        section.forgo(&["audience", "resources"]);
        return None;
    };
    let find = |name: &str| described.iter().find(|resource| resource.identifier == name);
    let names = section.texts_or("resources", &[]);
    let has_others = names.as_ref().is_some_and(|names| !names.is_empty());
    let is_stored = secrets == ClientSecrets::InDatabase;
    let default = section.parsed_or("audience", user_info, |audience| match find(audience) {
        Some(resource) => Ok(resource.clone()),
        // What a grant is for is stored with spaces between.
        None if audience.is_empty() || audience.contains(char::is_whitespace) => {
            Err("must not be empty, and have no white space")
        }
        None if has_others && audience == user_info => Ok(Resource {
            scopes: Some(ScopeSet::of_user_info()),
            ..Resource::undescribed(audience)
        }),
        None if has_others => Err("must be the identifier of a [[resource]], as resources is set"),
        None if is_stored && audience != user_info => {
            Err("must be the identifier of a [[resource]] or the issuer, as the client is in the database")
        }
        None => Ok(Resource::undescribed(audience)),
    });
    let names = names?;
    let mut others = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        match find(name) {
            Some(resource) => others.push(resource.clone()),
            None => section.fault(
                &format!("resources[{index}]"),
                Some(format!("{name:?}")),
                "must be the identifier of a [[resource]]",
            ),
        }
    }
    if others.len() < names.len() {
        return None;
    }
    Some(Resources {
        user_info: user_info.to_owned(),
        default: default?,
        others,
    })
}

fn parse_scopes(section: &mut Section<'_>) -> Option<ScopeSet> {
    let tokens = section.texts_or("scopes", &["openid"])?;
    match ScopeSet::from_tokens(&tokens) {
        Ok(scopes) => Some(scopes),
        Err(rule) => {
            section.fault("scopes", Some(format!("{tokens:?}")), rule);
            None
        }
    }
}

pub(super) fn signing_algorithm(name: &str) -> Result<SigningAlgorithm, &'static str> {
    SigningAlgorithm::parse(name).ok_or("must be \"ES256\", \"EdDSA\" or \"RS256\"")
}

fn parse_signing(section: &mut Section<'_>) -> Option<ClientSigning> {
    let id_token = section.parsed_or("id_token_signed_response_alg", "ES256", signing_algorithm);
    let access_token = section.parsed_or("access_token_signing_alg", "ES256", signing_algorithm);
    Some(ClientSigning {
        id_token: id_token?,
        access_token: access_token?,
    })
}

/// Rules about two keys at once.
fn check_combination(section: &Section<'_>, client: &Client) {
    let has_code = client.may_use(Grant::AuthorizationCode);
    if has_code && client.redirect_uris.is_empty() {
        section.fault(
            "redirect_uris",
            None,
            "must not be empty for the grant authorization_code",
        );
    }
    if client.may_use(Grant::RefreshToken) && !has_code {
        section.fault("grants", None, "refresh_token needs authorization_code beside it");
    }
    for grant in [Grant::ClientCredentials, Grant::TokenExchange] {
        if client.may_use(grant) && matches!(client.kind, Kind::Public) {
            let rule = format!("{} is for confidential clients only", grant.as_str());
            section.fault("grants", None, rule);
        }
    }
    if !client.require_pkce && matches!(client.kind, Kind::Public) {
        section.fault(
            "require_pkce",
            Some("false".to_owned()),
            "must be true for public clients: nothing else ties a code to them",
        );
    }
    if client.back_channel.is_some() && !(has_code && client.scopes.contains(OPENID)) {
        let rule = "needs the grant authorization_code and the scope openid: others learn of no session";
        section.fault("backchannel_logout_uri", None, rule);
    }
    if client.scopes.contains(OFFLINE_ACCESS) && !client.may_use(Grant::RefreshToken) {
        section.fault("scopes", None, "offline_access needs the grant refresh_token");
    }
}
