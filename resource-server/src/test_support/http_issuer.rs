use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{TestKey, encode, jwks};

/// An issuer that answers over HTTP what it is told to, and remembers what it was asked.
#[derive(Debug)]
pub struct FakeIssuer {
    url: String,
    site: Arc<Mutex<Site>>,
    server: ServerHandle,
}

#[derive(Debug, Default)]
struct Site {
    pages: HashMap<String, Page>,
    requested: Vec<String>,
}

#[derive(Debug, Clone)]
struct Page {
    status: u16,
    body: Vec<u8>,
    location: Option<String>,
}

impl FakeIssuer {
    /// An issuer that knows nothing yet: every address is a 404.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Mutex::new(Site::default()));
        let shared = web::Data::from(site.clone());
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            url,
            site,
            server: handle,
        }
    }

    /// An issuer with metadata where RFC 8414 puts it, and these keys.
    pub async fn publishing(keys: &[&TestKey]) -> Self {
        let issuer = Self::start().await;
        issuer.serve_metadata("/.well-known/oauth-authorization-server", &issuer.url);
        issuer.publish(keys);
        issuer
    }

    /// Its address, which is its name.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Metadata at this path that name this issuer and the keys at `/jwks`.
    pub fn serve_metadata(&self, path: &str, issuer: &str) {
        let metadata = json!({"issuer": issuer, "jwks_uri": format!("{}/jwks", self.url)});
        self.serve(path, 200, metadata.to_string().as_bytes());
    }

    /// Puts the public halves of these keys at `/jwks`.
    pub fn publish(&self, keys: &[&TestKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.serve("/jwks", 200, &jwks(&keys));
    }

    /// Answers requests for this path like this from now on; with 304 to who knows the body already, by its `ETag`.
    pub fn serve(&self, path: &str, status: u16, body: &[u8]) {
        self.put(path, status, body, None);
    }

    /// Answers requests for this path with a redirect.
    pub fn redirect(&self, path: &str, location: &str) {
        self.put(path, 302, b"", Some(location.to_owned()));
    }

    /// The paths that were asked for since the last call.
    pub fn requested(&self) -> Vec<String> {
        std::mem::take(&mut self.site.lock().unwrap().requested)
    }

    fn put(&self, path: &str, status: u16, body: &[u8], location: Option<String>) {
        let page = Page {
            status,
            body: body.to_vec(),
            location,
        };
        self.site.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// Goes away: connections are refused from now on.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

async fn answer(request: HttpRequest, site: web::Data<Mutex<Site>>) -> HttpResponse {
    let mut site = site.lock().unwrap();
    let path = request.path().to_owned();
    let page = site.pages.get(&path).cloned();
    site.requested.push(path);
    let Some(page) = page else {
        return HttpResponse::NotFound().finish();
    };
    let etag = format!("\"{}\"", encode(digest(&SHA256, &page.body).as_ref()));
    let known = request.headers().get(IF_NONE_MATCH);
    if page.status == 200 && known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return HttpResponse::NotModified().insert_header((ETAG, etag)).finish();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(page.status).unwrap());
    response.insert_header((ETAG, etag));
    if let Some(location) = page.location {
        response.insert_header((LOCATION, location));
    }
    response.body(page.body)
}
