//! What guards let pass, wherever they stand.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, Error, HttpResponse, web};
use serde_json::json;

use crate::actix::{AccessToken, Protection, RequireRole, RequireScope};
use crate::test_support::{NOW, TestIssuer};
use crate::time::ManualClock;

const AUDIENCE: &str = "https://api.example";

fn protection(issuer: &TestIssuer) -> web::Data<Protection> {
    let verifier = issuer.verifier(AUDIENCE).roles_in(["realm_access", "roles"]);
    web::Data::new(Protection::new(verifier.build().unwrap(), issuer.keys(), "api").unwrap())
}

async fn whose(token: AccessToken) -> String {
    token.claims().subject().to_owned()
}

/// Status and challenge of a request for this path.
async fn answer<B: MessageBody>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    path: &str,
    token: Option<&str>,
) -> (u16, Option<String>) {
    let mut request = TestRequest::get().uri(path);
    if let Some(token) = token {
        request = request.insert_header(("Authorization", format!("Bearer {token}")));
    }
    let answer = call_service(app, request.to_request()).await;
    let challenge = answer.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge)
}

const PASSED: (u16, Option<String>) = (200, None);

fn lacks_scope(scope: &str) -> (u16, Option<String>) {
    let challenge = format!("Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"{scope}\"");
    (403, Some(challenge))
}

#[actix_web::test]
async fn a_route_asks_for_all_or_any_of_its_scopes() {
    let issuer = TestIssuer::new("https://issuer.example");
    let guarded = |guard: RequireScope| web::get().to(whose).wrap(guard);
    let app = App::new()
        .app_data(protection(&issuer))
        .route("/one", guarded(RequireScope::new("a")))
        .route("/all", guarded(RequireScope::all(["a", "b"])))
        .route("/any", guarded(RequireScope::any(["a", "b"])))
        .route("/good", guarded(RequireScope::all(Vec::<String>::new())))
        .route("/never", guarded(RequireScope::any(Vec::<String>::new())));
    let app = init_service(app).await;
    for (scope, one, all, any) in [
        ("", lacks_scope("a"), lacks_scope("a b"), lacks_scope("a")),
        ("b", lacks_scope("a"), lacks_scope("a b"), PASSED),
        ("c a", PASSED, lacks_scope("a b"), PASSED),
        ("b a", PASSED, PASSED, PASSED),
        ("ab", lacks_scope("a"), lacks_scope("a b"), lacks_scope("a")),
    ] {
        let token = issuer.mint(AUDIENCE).scope(scope).token();
        assert_eq!(answer(&app, "/one", Some(&token)).await, one, "{scope:?}");
        assert_eq!(answer(&app, "/all", Some(&token)).await, all, "{scope:?}");
        assert_eq!(answer(&app, "/any", Some(&token)).await, any, "{scope:?}");
        assert_eq!(answer(&app, "/good", Some(&token)).await, PASSED, "{scope:?}");
        assert_eq!(
            answer(&app, "/never", Some(&token)).await,
            lacks_scope(""),
            "{scope:?}"
        );
    }
}

#[actix_web::test]
async fn a_route_asks_for_roles_and_names_no_scope() {
    let issuer = TestIssuer::new("https://issuer.example");
    let guarded = |guard: RequireRole| web::get().to(whose).wrap(guard);
    let app = App::new()
        .app_data(protection(&issuer))
        .route("/one", guarded(RequireRole::new("admin")))
        .route("/all", guarded(RequireRole::all(["admin", "editor"])))
        .route("/any", guarded(RequireRole::any(["admin", "editor"])));
    let app = init_service(app).await;
    let lacks = || {
        let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\"";
        (403, Some(challenge.to_owned()))
    };
    for (roles, one, all, any) in [
        (json!([]), lacks(), lacks(), lacks()),
        (json!(["admin"]), PASSED, lacks(), PASSED),
        (json!(["editor"]), lacks(), lacks(), PASSED),
        (json!(["editor", "admin"]), PASSED, PASSED, PASSED),
    ] {
        let mint = issuer.mint(AUDIENCE).scope("admin editor");
        let token = mint.claim("realm_access", json!({"roles": roles})).token();
        assert_eq!(answer(&app, "/one", Some(&token)).await, one, "{roles}");
        assert_eq!(answer(&app, "/all", Some(&token)).await, all, "{roles}");
        assert_eq!(answer(&app, "/any", Some(&token)).await, any, "{roles}");
    }
}

#[actix_web::test]
async fn a_guard_answers_like_the_extractor_without_a_good_token() {
    let issuer = TestIssuer::new("https://issuer.example");
    let unguarded = App::new()
        .app_data(protection(&issuer))
        .route("/", web::get().to(whose));
    let unguarded = init_service(unguarded).await;
    let guard = RequireScope::new("a");
    // Whether a handler looks at the token or not.
    let guarded = App::new()
        .app_data(protection(&issuer))
        .wrap(guard)
        .route("/", web::get().to(HttpResponse::Ok));
    let guarded = init_service(guarded).await;
    let mint = || issuer.mint(AUDIENCE).scope("a");
    let (expired, forged) = (mint().expired().token(), mint().forged().token());
    for token in [None, Some("a b"), Some("nonsense"), Some(&expired), Some(&forged)] {
        let refused = answer(&guarded, "/", token).await;
        assert_eq!(refused, answer(&unguarded, "/", token).await, "{token:?}");
        assert!(refused.0 >= 400 && refused.1.is_some(), "{refused:?}");
    }
    assert_eq!(answer(&guarded, "/", Some(&mint().token())).await, PASSED);
}

#[actix_web::test]
async fn guards_stand_before_applications_paths_and_routes_and_all_of_them_count() {
    let issuer = TestIssuer::new("https://issuer.example");
    let admin = web::resource("/admin")
        .wrap(RequireScope::new("admin"))
        .route(web::get().to(whose).wrap(RequireScope::new("read")));
    let app = App::new()
        .app_data(protection(&issuer))
        .wrap(RequireScope::new("api"))
        .service(web::scope("/v1").wrap(RequireScope::new("v1")).service(admin))
        .route("/", web::get().to(whose));
    let app = init_service(app).await;
    let token = |scope| issuer.mint(AUDIENCE).scope(scope).token();
    assert_eq!(answer(&app, "/", Some(&token("api"))).await, PASSED);
    assert_eq!(
        answer(&app, "/", Some(&token("v1 admin read"))).await,
        lacks_scope("api")
    );
    for (scope, verdict) in [
        ("api", lacks_scope("v1")),
        ("api v1", lacks_scope("admin")),
        ("api v1 admin", lacks_scope("read")),
        ("api v1 admin read", PASSED),
    ] {
        assert_eq!(
            answer(&app, "/v1/admin", Some(&token(scope))).await,
            verdict,
            "{scope}"
        );
    }
}

#[actix_web::test]
async fn what_one_protection_let_in_counts_for_nothing_where_another_holds() {
    let (outer, inner) = (
        TestIssuer::new("https://outer.example"),
        TestIssuer::new("https://inner.example"),
    );
    let inside = web::scope("/inner")
        .app_data(protection(&inner))
        .route("", web::get().to(whose))
        .route("/guarded", web::get().to(whose).wrap(RequireScope::new("a")));
    let app = App::new()
        .app_data(protection(&outer))
        .wrap(RequireScope::new("a"))
        .service(inside)
        .route("/outer", web::get().to(whose));
    let app = init_service(app).await;
    let token = outer.mint(AUDIENCE).scope("a").token();
    assert_eq!(answer(&app, "/outer", Some(&token)).await, PASSED);
    for path in ["/inner", "/inner/guarded"] {
        assert_eq!(answer(&app, path, Some(&token)).await.0, 401, "{path}");
    }
}

#[actix_web::test]
async fn a_token_is_judged_once_however_many_ask_for_it() {
    let clock = ManualClock::new(NOW);
    let issuer = TestIssuer::with_clock("https://issuer.example", Arc::new(clock.clone()));
    // Between the guard and the handler the token ends.
    let app = App::new()
        .app_data(protection(&issuer))
        .wrap_fn(move |request, service| {
            clock.advance(Duration::from_secs(3600));
            service.call(request)
        })
        .wrap(RequireScope::new("a"))
        .route("/", web::get().to(whose));
    let app = init_service(app).await;
    let token = issuer.mint(AUDIENCE).scope("a").token();
    assert_eq!(answer(&app, "/", Some(&token)).await, PASSED);
    assert_eq!(answer(&app, "/", Some(&token)).await.0, 401);
}

#[actix_web::test]
async fn a_guard_in_an_application_without_protection_lets_nobody_in() {
    let app = App::new().route("/", web::get().to(HttpResponse::Ok).wrap(RequireScope::new("a")));
    let app = init_service(app).await;
    assert_eq!(answer(&app, "/", Some("a.b.c")).await, (500, None));
}
