//! A client's back-channel logout endpoint that does what a test wants.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, mpsc};

/// Far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Arrival {
    pub(crate) fn token(&self) -> &str {
        assert_eq!(self.content_type, "application/x-www-form-urlencoded");
        let token = self.body.strip_prefix("logout_token=").unwrap();
        assert!(!token.contains(['&', '%']));
        token
    }
}

struct Inner {
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// The next answers; then 200.
    answers: Mutex<VecDeque<u16>>,
    /// Whether requests are answered.
    gate: Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// An address at which nobody answers yet.
pub(crate) struct Reserved(TcpSocket);

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}/backchannel", self.0.local_addr().unwrap())
    }

    pub(crate) fn serve(self) -> Receiver {
        Receiver::at(self.0.listen(64).unwrap().into_std().unwrap())
    }
}

pub(crate) struct Receiver {
    pub(crate) uri: String,
    inner: Arc<Inner>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    server: ServerHandle,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn at(listener: TcpListener) -> Self {
        let uri = format!("http://{}/backchannel", listener.local_addr().unwrap());
        let (sender, arrivals) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            arrivals: sender,
            answers: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let shared = web::Data::from(Arc::clone(&inner));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(receive))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            uri,
            inner,
            arrivals,
            server: handle,
        }
    }

    /// The statuses of the next answers.
    pub(crate) fn answer_with(&self, statuses: &[u16]) {
        self.inner.answers.lock().unwrap().extend(statuses);
    }

    /// Answers nothing until it is released.
    pub(crate) fn hold(&self) {
        self.inner.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release(&self) {
        self.inner.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// The most requests that were here at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }

    pub(crate) async fn next(&mut self) -> Arrival {
        let arrived = tokio::time::timeout(PATIENCE, self.arrivals.recv());
        arrived.await.unwrap().unwrap()
    }

    /// What has arrived and was not looked at.
    pub(crate) fn left(&mut self) -> usize {
        std::iter::from_fn(|| self.arrivals.try_recv().ok()).count()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.inner.gate.close();
        drop(self.server.stop(false));
    }
}

async fn receive(request: HttpRequest, body: String, inner: web::Data<Inner>) -> HttpResponse {
    let now = inner.now.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most.fetch_max(now, Ordering::SeqCst);
    let content_type = request.headers().get("content-type");
    let arrival = Arrival {
        path: request.path().to_owned(),
        content_type: content_type.map_or_else(String::new, |text| text.to_str().unwrap().to_owned()),
        body,
    };
    // The test may have ended.
    let _ = inner.arrivals.send(arrival);
    let answer = inner.answers.lock().unwrap().pop_front().unwrap_or(200);
    let passed = inner.gate.acquire().await;
    inner.now.fetch_sub(1, Ordering::SeqCst);
    drop(passed);
    HttpResponse::build(StatusCode::from_u16(answer).unwrap())
        .insert_header(("location", "/elsewhere"))
        .finish()
}
