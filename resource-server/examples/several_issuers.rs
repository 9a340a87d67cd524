//! One API for the tokens of two issuers: of people, and of machines that have an issuer of their own.
//!
//! `cargo run -p resource-server --features actix,http-keys --example several_issuers -- PEOPLE MACHINES`; without
//! arguments the people are those of the demo (`cargo run`). Whoever of the two is down, the tokens of the other are good.

use std::env;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use resource_server::actix::{AccessToken, Protection, ResourceMetadata};
use resource_server::http_keys::HttpKeys;
use resource_server::issuers::Issuers;
use resource_server::key_cache::KeyCache;
use resource_server::time::SystemClock;
use resource_server::verifier::{Algorithm, Verifier};

const ADDRESS: &str = "127.0.0.1:9192";
const RESOURCE: &str = "https://notes.example";

/// A subject means something at its issuer only: the two together say who it is.
async fn me(token: AccessToken) -> String {
    let claims = token.claims();
    format!("you are {} of {}\n", claims.subject(), claims.issuer())
}

#[actix_web::main]
#[expect(clippy::print_stdout, reason = "it tells where it is")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let people = arguments.next().unwrap_or("http://127.0.0.1:9000".to_owned());
    let machines = arguments.next().unwrap_or("https://machines.example".to_owned());

    let client = HttpKeys::client()?;
    let keys_of = |issuer: &str| -> Result<KeyCache, url::ParseError> {
        let source = HttpKeys::of_issuer(issuer.parse()?, client.clone());
        Ok(KeyCache::new(Arc::new(source), Arc::new(SystemClock)))
    };
    // Each has its own keys, audience and algorithms: a key of one says nothing about a token of the other.
    let issuers = Issuers::several([
        (
            Verifier::access_token(&people, RESOURCE).build()?,
            keys_of(&people)?,
        ),
        (
            Verifier::access_token(&machines, "notes")
                .algorithms(&[Algorithm::Es256])
                .build()?,
            keys_of(&machines)?,
        ),
    ])?;
    let metadata = ResourceMetadata::new(RESOURCE, issuers.names())?;
    let protection = web::Data::new(Protection::of(issuers, RESOURCE).with_metadata(&metadata));

    println!("curl -H \"Authorization: Bearer $TOKEN\" http://{ADDRESS}/me");
    let app = move || {
        App::new()
            .app_data(protection.clone())
            .configure(|app| metadata.configure(app))
            .route("/me", web::get().to(me))
    };
    Ok(HttpServer::new(app).workers(1).bind(ADDRESS)?.run().await?)
}
