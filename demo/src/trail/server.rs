use std::collections::HashMap;
use std::io;
use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::Trail;

/// Serves `GET /events?session=KEY` on loopback: the last events of that session, as JSON.
///
/// It stands behind the BFF's anonymous route `/demo`. Without the key of a session it tells nothing.
#[derive(Debug)]
pub(crate) struct TrailServer(ServerHandle);

impl TrailServer {
    pub(crate) fn start(trail: &Trail, listener: TcpListener) -> io::Result<Self> {
        let trail = web::Data::new(trail.clone());
        let server = HttpServer::new(move || App::new().app_data(trail.clone()).configure(routes))
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self(handle))
    }

    pub(crate) async fn stop(self) {
        self.0.stop(true).await;
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/events", web::get().to(events));
}

async fn events(trail: web::Data<Trail>, query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let session_key = query.get("session").map_or("", String::as_str);
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(trail.of_session(session_key))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
    use resource_server::time::UnixTime;
    use serde_json::{Value, json};

    use super::super::What;
    use super::*;

    #[actix_web::test]
    async fn the_key_of_a_session_gets_its_events_and_nothing_else_gets_any() {
        let trail = Trail::new();
        let refreshed = What::Refreshed { expires_in: Some(60) };
        trail.add("k1".to_owned(), refreshed, UnixTime::from_secs(5));
        let app = init_service(App::new().app_data(web::Data::new(trail)).configure(routes)).await;

        let event = json!({ "id": 1, "at": 5, "kind": "refreshed", "expires_in": 60 });
        let cases = [
            ("/events?session=k1", json!([event])),
            ("/events?session=k2", json!([])),
            ("/events?session=", json!([])),
            ("/events", json!([])),
        ];
        for (path, expected) in cases {
            let request = TestRequest::get().uri(path).to_request();
            let told: Value = call_and_read_body_json(&app, request).await;
            assert_eq!(told, expected, "{path}");
        }
    }
}
