//! Tests of an API with tokens that no issuer had to be asked for: no network, no sleep, any time of day.
//!
//! `cargo test -p resource-server --features actix,test-support --example tests_with_a_fake_issuer`. An API of your own
//! has `resource-server` with the feature `test-support` among its `dev-dependencies`.

use actix_web::web;
use resource_server::actix::{AccessToken, RequireScope};

/// What is tested: the API as its program composes it, but for the `Protection`.
pub fn api(app: &mut web::ServiceConfig) {
    let reads = RequireScope::new("orders:read");
    app.route("/orders", web::get().to(orders).wrap(reads));
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}", token.claims().subject())
}

#[expect(clippy::print_stdout, reason = "it tells what it is for")]
fn main() {
    println!("run it as `cargo test --example tests_with_a_fake_issuer`");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use actix_web::http::header::WWW_AUTHENTICATE;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};
    use resource_server::test_support::{Mint, TestIssuer};
    use resource_server::time::{ManualClock, UnixTime};

    const AUDIENCE: &str = "https://orders.example";

    fn issuer() -> (TestIssuer, ManualClock) {
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        let issuer = TestIssuer::with_clock("https://issuer.example", Arc::new(clock.clone()));
        (issuer, clock)
    }

    /// Status, challenge and body that somebody with this token gets.
    async fn get(issuer: &TestIssuer, token: &str) -> (u16, String, String) {
        let protection = web::Data::new(issuer.protection(AUDIENCE));
        let app = init_service(App::new().app_data(protection).configure(super::api)).await;
        let request = TestRequest::get().uri("/orders");
        let request = request.insert_header(("Authorization", format!("Bearer {token}")));
        let answer = call_service(&app, request.to_request()).await;
        let challenge = answer.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map_or("", |value| value.to_str().unwrap()).to_owned();
        let status = answer.status().as_u16();
        let body = read_body(answer).await;
        (status, challenge, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_bearer_of_a_good_token_sees_their_orders() {
        let (issuer, _) = issuer();
        let token = issuer.mint(AUDIENCE).subject("bob").scope("orders:read").token();
        let (status, _, body) = get(&issuer, &token).await;
        assert_eq!((status, body.as_str()), (200, "orders of bob"));
    }

    #[actix_web::test]
    async fn a_token_without_the_scope_is_told_which() {
        let (issuer, _) = issuer();
        let (status, challenge, _) = get(&issuer, &issuer.mint(AUDIENCE).scope("orders:write").token()).await;
        assert_eq!(status, 403);
        assert!(challenge.ends_with("scope=\"orders:read\""), "{challenge}");
    }

    #[actix_web::test]
    async fn no_other_token_will_do() {
        let (issuer, _) = issuer();
        let good = || issuer.mint(AUDIENCE).scope("orders:read");
        let bad: [(&str, Mint<'_>); 5] = [
            ("expired", good().expired()),
            ("forged", good().forged()),
            ("unsigned", good().unsigned()),
            ("an ID token", good().header("typ", "JWT")),
            (
                "for somebody else",
                good().claim("aud", "https://billing.example"),
            ),
        ];
        for (what, mint) in bad {
            assert_eq!(get(&issuer, &mint.token()).await.0, 401, "{what}");
        }
    }

    #[actix_web::test]
    async fn time_passes_when_it_is_told_to() {
        let (issuer, clock) = issuer();
        let mint = issuer.mint(AUDIENCE).scope("orders:read");
        let token = mint.expires_in(Duration::from_secs(60)).token();
        assert_eq!(get(&issuer, &token).await.0, 200);
        clock.advance(Duration::from_secs(120));
        assert_eq!(get(&issuer, &token).await.0, 401);
    }
}
