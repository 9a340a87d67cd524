//! A forward proxy between Chromium and the world that writes down all that passes.
//!
//! What scripts can see of an answer is less than what the browser got. Here every byte of every answer is kept, also of
//! redirects, downloads and streams.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;

use crate::http_server::{Body, BodyError, Cut, HttpServer};

/// A request of the browser and what it got.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Where it went.
    pub url: Uri,
    /// The method, in capitals.
    pub method: String,
    /// What the browser sent along.
    pub request: HeaderMap,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body of the answer, as far as it came.
    pub body: Vec<u8>,
}

/// The recording proxy.
#[derive(Debug)]
pub struct Wire {
    server: HttpServer,
    passed: Arc<Mutex<Vec<Passed>>>,
    count: watch::Sender<usize>,
}

impl Wire {
    /// Starts to listen.
    pub async fn start() -> Self {
        let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build_http();
        let passed: Arc<Mutex<Vec<Passed>>> = Arc::default();
        let count = watch::Sender::new(0);
        let (log, counter) = (Arc::clone(&passed), count.clone());
        let server = HttpServer::start(move |request| {
            let (client, log, counter) = (client.clone(), Arc::clone(&log), counter.clone());
            async move { pass(request, &client, log, &counter).await }
        })
        .await;
        Self {
            server,
            passed,
            count,
        }
    }

    /// What Chromium's `--proxy-server` takes.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Everything that passed so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }

    /// Waits for an answer of a kind that has not passed yet.
    pub async fn next(&self, from: usize, is_it: impl Fn(&Passed) -> bool) -> Passed {
        let mut count = self.count.subscribe();
        loop {
            let found = self
                .passed
                .lock()
                .unwrap()
                .iter()
                .skip(from)
                .find(|passed| is_it(passed))
                .cloned();
            if let Some(found) = found {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = count.changed().await;
        }
    }
}

async fn pass(
    request: Request<Incoming>,
    client: &Client<HttpConnector, Incoming>,
    log: Arc<Mutex<Vec<Passed>>>,
    count: &watch::Sender<usize>,
) -> Result<Response<Body>, Cut> {
    // Chromium's own errands have no host we serve; they are not what is tested.
    let (url, method, sent) = (
        request.uri().clone(),
        request.method().to_string(),
        request.headers().clone(),
    );
    let response = client.request(request).await.map_err(|_| Cut)?;
    let (head, body) = response.into_parts();
    let number = {
        let mut log = log.lock().unwrap();
        log.push(Passed {
            url,
            method,
            request: sent,
            status: head.status.as_u16(),
            headers: head.headers.clone(),
            body: Vec::new(),
        });
        log.len() - 1
    };
    count.send_modify(|count| *count += 1);
    let body = body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            log.lock().unwrap()[number].body.extend_from_slice(data);
        }
        frame
    });
    Ok(Response::from_parts(head, body.map_err(BodyError::from).boxed()))
}
