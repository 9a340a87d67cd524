//! Who may do what: scopes that a client was given, roles that a user has, and metadata that tell clients of it.
//!
//! `cargo run -p resource-server --features actix,test-support --example scopes`. It issues its own tokens and shows them,
//! so that it can be tried at once; a real API has `HttpKeys` in the place of the `TestIssuer` (see `minimal`).

use actix_web::{App, HttpServer, web};
use resource_server::actix::{AccessToken, Protection, Refusal, RequireRole, RequireScope, ResourceMetadata};
use resource_server::test_support::TestIssuer;
use serde_json::json;

const ADDRESS: &str = "127.0.0.1:9191";
const RESOURCE: &str = "http://127.0.0.1:9191/orders";

async fn list(token: AccessToken) -> String {
    format!("orders of {}\n", token.claims().subject())
}

/// What a scope allows may depend on more than the path.
async fn order(token: AccessToken, id: web::Path<u32>, body: String) -> Result<String, Refusal> {
    if body.contains("express") {
        token.require("orders:express")?;
    }
    Ok(format!("order {id} of {}\n", token.claims().subject()))
}

async fn statistics() -> &'static str {
    "2 orders\n"
}

fn orders(app: &mut web::ServiceConfig) {
    let reads_and_writes = RequireScope::all(["orders:read", "orders:write"]);
    let administers = RequireRole::any(["clerk", "admin"]);
    let orders = web::scope("/orders")
        // For all of them; what a route needs beyond that stands at the route.
        .wrap(RequireScope::any(["orders:read", "orders:all"]))
        .route("", web::get().to(list))
        .route("/{id:[0-9]+}", web::put().to(order).wrap(reads_and_writes))
        .route("/statistics", web::get().to(statistics).wrap(administers));
    app.service(orders);
}

#[actix_web::main]
#[expect(clippy::print_stdout, reason = "it shows what can be tried")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::new("https://issuer.example");
    let metadata = ResourceMetadata::new(RESOURCE, [issuer.name()])?.scopes(["orders:read", "orders:write"]);
    let verifier = issuer
        .verifier(RESOURCE)
        .roles_in(["realm_access", "roles"])
        .build()?;
    let protection = Protection::new(verifier, issuer.keys(), "orders")?.with_metadata(&metadata);
    let protection = web::Data::new(protection);

    let reads = issuer.mint(RESOURCE).scope("orders:read");
    let roles = json!({"roles": ["clerk"]});
    for (what, token) in [
        ("reads", reads.clone().token()),
        (
            "reads, and is a clerk",
            reads.claim("realm_access", roles).token(),
        ),
        (
            "reads and writes",
            issuer.mint(RESOURCE).scope("orders:read orders:write").token(),
        ),
    ] {
        println!(
            "\n# {what}\ncurl -i -H \"Authorization: Bearer {token}\" http://{ADDRESS}/orders/statistics"
        );
    }
    println!("\n# where tokens are to be had\ncurl -i {}", metadata.url());

    let app = move || {
        App::new()
            .app_data(protection.clone())
            .configure(|app| metadata.configure(app))
            .configure(orders)
    };
    Ok(HttpServer::new(app).workers(1).bind(ADDRESS)?.run().await?)
}
