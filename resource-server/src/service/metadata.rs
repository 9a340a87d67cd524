use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use url::Url;

use crate::config::TokenConfig;
use crate::notes::{READ_SCOPE, WRITE_SCOPE};
use crate::problem::Problem;

/// What a client that knows this API only by its name has to know to get a token for it (RFC 9728 §2).
#[derive(Debug, Clone, Serialize)]
pub(super) struct Metadata {
    resource: String,
    authorization_servers: [String; 1],
    bearer_methods_supported: [&'static str; 1],
    scopes_supported: [&'static str; 2],
    #[serde(skip)]
    path: String,
}

impl Metadata {
    /// RFC 9728 §3.1: the well-known part goes between the host and the path of the resource. An audience that is no
    /// address has no place for metadata.
    pub(super) fn of(token: &TokenConfig) -> Option<Self> {
        let resource = Url::parse(&token.audience).ok()?;
        let is_web_address = matches!(resource.scheme(), "https" | "http");
        if !is_web_address || resource.query().is_some() || resource.fragment().is_some() {
            return None;
        }
        Some(Self {
            resource: token.audience.clone(),
            authorization_servers: [token.issuer.as_str().to_owned()],
            bearer_methods_supported: ["header"],
            scopes_supported: [READ_SCOPE, WRITE_SCOPE],
            path: format!(
                "/.well-known/oauth-protected-resource{}",
                resource.path().trim_end_matches('/')
            ),
        })
    }
}

pub(super) fn configure(app: &mut web::ServiceConfig, metadata: Option<&Metadata>) {
    let Some(metadata) = metadata else {
        return;
    };
    app.app_data(web::Data::new(metadata.clone()));
    app.service(
        web::resource(metadata.path.as_str())
            .get(tell)
            .head(tell)
            .default_service(web::to(async || Problem::method_not_allowed("GET, HEAD"))),
    );
}

/// Public, but kept by nobody: it changes with the configuration, and is asked for rarely.
async fn tell(metadata: web::Data<Metadata>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(metadata)
}

#[cfg(test)]
mod tests {
    use super::Metadata;
    use crate::Config;

    fn path_for(audience: &str) -> Option<String> {
        let toml = format!("[token]\nissuer = \"https://op.example\"\naudience = {audience:?}\n");
        Metadata::of(&Config::parse(&toml, &|_| None).unwrap().token).map(|metadata| metadata.path)
    }

    #[test]
    fn metadata_lie_between_the_host_and_the_path() {
        let well_known = "/.well-known/oauth-protected-resource";
        assert_eq!(path_for("https://notes.example").as_deref(), Some(well_known));
        assert_eq!(path_for("https://notes.example/"), Some(well_known.to_owned()));
        assert_eq!(
            path_for("https://example/api/notes"),
            Some(format!("{well_known}/api/notes"))
        );
    }

    #[test]
    fn an_audience_that_is_no_address_has_none() {
        for audience in [
            "notes",
            "urn:example:notes",
            "https://notes.example?x",
            "https://notes.example#x",
        ] {
            assert_eq!(path_for(audience), None, "{audience}");
        }
    }
}
