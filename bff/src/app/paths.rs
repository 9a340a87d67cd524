use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, guard, web};

use super::parts::Parts;
use crate::config::OriginalMethod;
use crate::forward_auth::endpoint as forward_auth_endpoint;
use crate::guard::middleware::require_csrf_header;
use crate::guard::rate_limit::middleware::limit_logins;
use crate::login::endpoint as login_endpoint;
use crate::logout::backchannel::endpoint as backchannel;
use crate::logout::endpoint as logout_endpoint;
use crate::logout::frontchannel::endpoint as frontchannel;
use crate::logout::sessions::endpoint as sessions_endpoint;
use crate::problem::ApiError;
use crate::session::endpoint::user;
use crate::session::ticket;
use crate::spa::endpoint as spa;

/// Which path leads to which endpoint of ours. They come before routes, so their paths have to be among `OwnPaths`; what goes to a
/// route does not come here: see `edge`.
pub(super) fn configure(app: &mut web::ServiceConfig, parts: &Parts) {
    let tickets = || ticket::middleware(parts.registry.clone().into_inner(), &parts.signing_key);
    app.app_data(parts.registry.clone())
        .app_data(parts.login.clone())
        .app_data(parts.callback.clone())
        .app_data(parts.logout.clone())
        .app_data(parts.back_channel.clone())
        .app_data(parts.front_channel.clone())
        .app_data(parts.proxy.clone())
        .app_data(parts.user.clone())
        .app_data(parts.origin.clone())
        .app_data(parts.signing_key.clone())
        .app_data(parts.guards.limits.clone());

    app.service(
        web::scope(&parts.base_path)
            .service(
                only(
                    web::resource("/login").route(web::get().to(login_endpoint::login)),
                    "GET",
                )
                .wrap(from_fn(limit_logins)),
            )
            .service(
                only(
                    web::resource("/callback").route(web::get().to(login_endpoint::callback)),
                    "GET",
                )
                .wrap(tickets())
                .wrap(from_fn(limit_logins)),
            )
            .service(
                only(web::resource("/user").route(web::get().to(user)), "GET")
                    .wrap(from_fn(require_csrf_header)),
            )
            .configure(|scope| logout(scope, parts))
            .configure(|scope| sessions(scope, parts))
            .configure(logout_from_outside)
            .default_service(web::to(nothing_here)),
    );
    forward_auth(app, parts);
    match &parts.spa {
        Some(files) => {
            app.app_data(files.clone()).default_service(web::to(spa::file));
        }
        None => {
            app.default_service(web::to(nothing_here));
        }
    }
}

/// What gateways ask. Some write the client's path behind ours, which says nothing to us.
fn forward_auth(app: &mut web::ServiceConfig, parts: &Parts) {
    let Some((path, answers)) = &parts.forward_auth else {
        return;
    };
    let mut paths = vec![path.clone()];
    if answers.original_method == OriginalMethod::Request {
        paths.push(format!("{path}/{{client_path:.*}}"));
    }
    app.service(
        web::resource(paths)
            .app_data(answers.clone())
            .to(forward_auth_endpoint::answer),
    );
}

/// The user's own logout.
fn logout(scope: &mut web::ServiceConfig, parts: &Parts) {
    let tickets = || ticket::middleware(parts.registry.clone().into_inner(), &parts.signing_key);
    scope
        .service(
            web::resource("/logout")
                .guard(guard::Post())
                .route(web::post().to(logout_endpoint::post))
                .wrap(tickets())
                .wrap(from_fn(require_csrf_header)),
        )
        .service(
            only(
                web::resource("/logout").route(web::get().to(logout_endpoint::navigate)),
                "GET, POST",
            )
            .wrap(tickets()),
        );
}

fn sessions(app: &mut web::ServiceConfig, parts: &Parts) {
    let tickets = || ticket::middleware(parts.registry.clone().into_inner(), &parts.signing_key);
    app.service(
        only(
            web::resource("/sessions")
                .route(web::get().to(sessions_endpoint::list))
                .route(web::delete().to(sessions_endpoint::end_all)),
            "GET, DELETE",
        )
        .wrap(tickets())
        .wrap(from_fn(require_csrf_header)),
    )
    .service(
        only(
            web::resource("/sessions/{handle}").route(web::delete().to(sessions_endpoint::end_one)),
            "DELETE",
        )
        .wrap(tickets())
        .wrap(from_fn(require_csrf_header)),
    );
}

/// What the provider calls, or sends a browser to: none of it looks at the session cookie.
fn logout_from_outside(scope: &mut web::ServiceConfig) {
    scope
        .service(only(
            web::resource("/logout/callback").route(web::get().to(logout_endpoint::come_back)),
            "GET",
        ))
        .service(only(
            web::resource("/backchannel").route(web::post().to(backchannel::log_out)),
            "POST",
        ))
        .service(only(
            web::resource("/frontchannel").route(web::get().to(frontchannel::log_out)),
            "GET",
        ));
}

/// A resource that answers other methods with 405 and the list of those it takes.
fn only(resource: actix_web::Resource, methods: &'static str) -> actix_web::Resource {
    resource.default_service(web::to(move || async move {
        Err::<HttpResponse, _>(ApiError::MethodNotAllowed(methods.to_owned()))
    }))
}

async fn nothing_here() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}
