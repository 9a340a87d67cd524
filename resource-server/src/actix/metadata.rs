use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use url::Url;

use crate::problem::Problem;

/// Where metadata of a resource without a path are found (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a client that knows an API only by its address has to know to get a token for it (RFC 9728 §2).
///
/// [`configure`](Self::configure) puts the document where clients look for it, and a
/// [`Protection`](super::Protection) that [has it](super::Protection::with_metadata) names it in its challenges.
#[derive(Debug, Clone, Serialize)]
pub struct ResourceMetadata {
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip)]
    url: Url,
}

/// The name of a resource is no address that metadata could be found by (RFC 9728 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an https address without query and fragment")]
pub struct NotAnAddress;

impl ResourceMetadata {
    /// The metadata of this resource; its name, which is also the audience of its tokens, is repeated byte for byte.
    /// `authorization_servers` are the issuers whose tokens it takes. Plain HTTP is meant for development.
    ///
    /// # Errors
    /// When the resource is no address, so that there is no place for its metadata.
    pub fn new<S: Into<String>>(
        resource: &str,
        authorization_servers: impl IntoIterator<Item = S>,
    ) -> Result<Self, NotAnAddress> {
        let mut url = Url::parse(resource).map_err(|_| NotAnAddress)?;
        let is_web_address = matches!(url.scheme(), "https" | "http");
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_web_address || !is_plain || url.query().is_some() || url.fragment().is_some() {
            return Err(NotAnAddress);
        }
        // RFC 9728 §3.1: the well-known part goes between the host and the path.
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        Ok(Self {
            resource: resource.to_owned(),
            authorization_servers: authorization_servers.into_iter().map(Into::into).collect(),
            bearer_methods_supported: ["header"],
            scopes_supported: Vec::new(),
            resource_name: None,
            url,
        })
    }

    /// The scopes that its requests may take.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// What people call it.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.resource_name = Some(name.to_owned());
        self
    }

    /// Where clients find the document, as a path of the resource's host.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Where clients find the document, as challenges name it (RFC 9728 §5.1).
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Serves the document at [`path`](Self::path), to everybody. To be called for the whole application: the path is
    /// one of the host.
    pub fn configure(&self, app: &mut web::ServiceConfig) {
        // A document of texts has a JSON form.
        let document: Arc<str> = serde_json::to_string(self).unwrap_or_default().into();
        let tell = move || {
            let document = Arc::clone(&document);
            async move { answer(&document) }
        };
        let mut resource = web::resource(self.path());
        for route in [web::get(), web::head()] {
            resource = resource.route(route.to(tell.clone()));
        }
        app.service(resource.default_service(web::to(async || Problem::method_not_allowed("GET, HEAD"))));
    }
}

/// Public, but kept by nobody: it changes with the configuration, and is asked for rarely.
fn answer(document: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(document.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
    use serde_json::{Value, json};

    use super::{NotAnAddress, ResourceMetadata};

    const NOBODY: [&str; 0] = [];

    fn path_for(resource: &str) -> Result<String, NotAnAddress> {
        ResourceMetadata::new(resource, NOBODY).map(|metadata| metadata.path().to_owned())
    }

    #[test]
    fn metadata_lie_between_the_host_and_the_path() {
        let well_known = "/.well-known/oauth-protected-resource";
        assert_eq!(path_for("https://notes.example").as_deref(), Ok(well_known));
        assert_eq!(path_for("https://notes.example/").as_deref(), Ok(well_known));
        for resource in ["https://example/api/notes", "https://example/api/notes/"] {
            assert_eq!(path_for(resource), Ok(format!("{well_known}/api/notes")));
        }
        let metadata = ResourceMetadata::new("https://example:8443/api", NOBODY).unwrap();
        assert_eq!(metadata.url(), format!("https://example:8443{well_known}/api"));
    }

    #[test]
    fn a_resource_that_is_no_address_has_none() {
        for resource in [
            "",
            "notes",
            "urn:example:notes",
            "ftp://notes.example",
            "https://notes.example?x",
            "https://notes.example#x",
            "https://user@notes.example",
        ] {
            assert_eq!(path_for(resource), Err(NotAnAddress), "{resource}");
        }
    }

    #[actix_web::test]
    async fn the_document_tells_what_is_known_and_leaves_out_the_rest() {
        let full = ResourceMetadata::new("https://api.example/", ["https://a.example", "https://b.example"])
            .unwrap()
            .scopes(["orders:read", "orders:write"])
            .name("Orders");
        let least = ResourceMetadata::new("https://api.example/", NOBODY).unwrap();
        for (metadata, document) in [
            (
                full,
                json!({
                    "resource": "https://api.example/",
                    "authorization_servers": ["https://a.example", "https://b.example"],
                    "bearer_methods_supported": ["header"],
                    "scopes_supported": ["orders:read", "orders:write"],
                    "resource_name": "Orders",
                }),
            ),
            (
                least,
                json!({"resource": "https://api.example/", "bearer_methods_supported": ["header"]}),
            ),
        ] {
            let app = init_service(App::new().configure(|app| metadata.configure(app))).await;
            let request = TestRequest::get().uri(metadata.path()).to_request();
            let told: Value = call_and_read_body_json(&app, request).await;
            assert_eq!(told, document);
        }
    }
}
