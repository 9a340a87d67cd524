use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::json;
use tokio::sync::watch;

use super::Minter;

/// An issuer whose key endpoint answers what it is told to, when it is told to, and counts.
pub(crate) struct Issuer {
    pub(crate) url: String,
    site: Arc<Site>,
    server: ServerHandle,
}

struct Site {
    url: String,
    jwks: Mutex<(u16, String)>,
    others_visited: Mutex<Vec<String>>,
    visits: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
}

impl Issuer {
    /// One that is up, and has no keys yet: its key endpoint answers 503.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Site {
            url: url.clone(),
            jwks: Mutex::new((503, String::new())),
            others_visited: Mutex::default(),
            visits: watch::Sender::new(0),
            is_open: watch::Sender::new(true),
        });
        let shared = web::Data::from(site.clone());
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.shutdown_timeout(0).listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            url,
            site,
            server: handle,
        }
    }

    pub(crate) fn publish(&self, keys: &[&Minter]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.answer_with(200, &json!({ "keys": keys }).to_string());
    }

    /// What the key endpoint answers from now on.
    pub(crate) fn answer_with(&self, status: u16, body: &str) {
        *self.site.jwks.lock().unwrap() = (status, body.to_owned());
    }

    /// How often the key endpoint was asked.
    pub(crate) fn visits(&self) -> usize {
        *self.site.visits.borrow()
    }

    /// Paths that were asked for and that no issuer has.
    pub(crate) fn strays(&self) -> Vec<String> {
        self.site.others_visited.lock().unwrap().clone()
    }

    /// From now on the key endpoint does not answer.
    pub(crate) fn hang(&self) {
        self.site.is_open.send_replace(false);
    }

    /// Returns when the key endpoint was asked this often.
    pub(crate) async fn visited(&self, times: usize) {
        let mut visits = self.site.visits.subscribe();
        visits.wait_for(|&visits| visits >= times).await.unwrap();
    }

    /// Answers those who wait, and whoever comes.
    pub(crate) fn answer_again(&self) {
        self.site.is_open.send_replace(true);
    }

    pub(crate) async fn stop(self) {
        self.answer_again();
        self.server.stop(false).await;
    }
}

async fn answer(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    match request.path() {
        "/.well-known/oauth-authorization-server" => HttpResponse::Ok().json(json!({
            "issuer": site.url,
            "jwks_uri": format!("{}/jwks", site.url),
        })),
        "/jwks" => {
            site.visits.send_modify(|visits| *visits += 1);
            site.is_open
                .subscribe()
                .wait_for(|&is_open| is_open)
                .await
                .unwrap();
            let (status, body) = site.jwks.lock().unwrap().clone();
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(body)
        }
        other => {
            site.others_visited.lock().unwrap().push(other.to_owned());
            HttpResponse::NotFound().finish()
        }
    }
}
