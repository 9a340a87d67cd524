//! The least that an API behind access tokens is made of.
//!
//! `cargo run -p resource-server --features actix,http-keys --example minimal -- ISSUER AUDIENCE`; without arguments it
//! takes the tokens of the demo's notes API (`cargo run`).

use std::env;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use resource_server::actix::{AccessToken, Protection};
use resource_server::http_keys::HttpKeys;
use resource_server::key_cache::KeyCache;
use resource_server::time::SystemClock;
use resource_server::verifier::Verifier;

const ADDRESS: &str = "127.0.0.1:9190";

/// Not reached without a good token.
async fn me(token: AccessToken) -> String {
    format!("you are {}\n", token.claims().subject())
}

#[actix_web::main]
#[expect(clippy::print_stdout, reason = "it tells where it is")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let issuer = arguments.next().unwrap_or("http://127.0.0.1:9000".to_owned());
    let audience = arguments.next().unwrap_or("https://notes.example".to_owned());

    let verifier = Verifier::access_token(&issuer, &audience).build()?;
    let source = HttpKeys::of_issuer(issuer.parse()?, HttpKeys::client()?);
    let keys = KeyCache::new(Arc::new(source), Arc::new(SystemClock));
    let protection = web::Data::new(Protection::new(verifier, keys, &audience)?);

    println!("curl -H \"Authorization: Bearer $TOKEN\" http://{ADDRESS}/me");
    let app = move || {
        App::new()
            .app_data(protection.clone())
            .route("/me", web::get().to(me))
    };
    Ok(HttpServer::new(app).workers(1).bind(ADDRESS)?.run().await?)
}
