//! A worker and its clients on one thread, by real sockets, with a clock that moves only when a story moves it.

use std::cell::RefCell;
use std::rc::Rc;

use actix_service::Service as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode as OldStatus;
use tokio::task::{LocalSet, yield_now};
use tokio_util::sync::CancellationToken;

use super::tls::{certify, connect_tls};
use super::*;
use crate::server::activity::Activity;
use crate::server::limits::REST;
use crate::server::worker::{Accepted, Orders, work};

/// Who knows a connection's activity while it rests: who serves it, its socket, and the story. A protocol knows it too.
const KNOWN_AT_REST: usize = 3;

/// Runs a story.
pub(super) fn in_standing_time(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, story);
}

/// Lets this time pass, and everybody do what they do then.
pub(super) async fn pass(time: Duration) {
    tokio::time::advance(time + Duration::from_millis(1)).await;
    for _ in 0..50 {
        yield_now().await;
    }
}

/// Waits for what one thread alone brings about.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "in vain: {what}");
        yield_now().await;
    }
}

pub(super) struct Still {
    listener: std::net::TcpListener,
    accepted: mpsc::UnboundedSender<Accepted>,
    pub(super) draining: CancellationToken,
    pub(super) doors: Doors,
    /// Every request that the application got, `METHOD /path`.
    seen: Rc<RefCell<Vec<String>>>,
    latest: Rc<RefCell<Option<Rc<Activity>>>>,
    trusted: Option<rustls::pki_types::CertificateDer<'static>>,
    _clock: std::sync::mpsc::Sender<()>,
}

/// Answers without a look at the body.
async fn refuse(request: HttpRequest) -> HttpResponse {
    let status = request.path().trim_start_matches("/refuse/").parse().ok();
    let status = status.and_then(|status| OldStatus::from_u16(status).ok());
    let mut answer = HttpResponse::build(status.unwrap_or(OldStatus::NOT_FOUND));
    if status == Some(OldStatus::NO_CONTENT) {
        answer.finish()
    } else {
        answer.body("no")
    }
}

async fn large() -> String {
    "x".repeat(LARGE)
}

/// Agrees to speak something else, and says back what it hears.
async fn upgrade(payload: web::Payload) -> HttpResponse {
    HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .streaming(payload)
}

/// More than sockets hold.
pub(super) const LARGE: usize = 16 * 1024 * 1024;

impl Still {
    pub(super) fn set(has_tls: bool) -> Self {
        let (sender, _) = mpsc::unbounded_channel();
        let doors = Doors {
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
            given_up: sender,
        };
        let (tls, trusted) = has_tls.then(certified).unzip();
        let (accepted, connections) = mpsc::unbounded_channel();
        let draining = CancellationToken::new();
        let orders = Orders {
            limits: LIMITS,
            tls,
            draining: draining.clone(),
            patience: Duration::from_secs(10),
        };
        let seen = Rc::<RefCell<Vec<String>>>::default();
        let latest = Rc::<RefCell<Option<Rc<Activity>>>>::default();
        let make = {
            let (doors, seen, latest) = (doors.clone(), Rc::clone(&seen), Rc::clone(&latest));
            move || {
                let (seen, latest) = (Rc::clone(&seen), Rc::clone(&latest));
                App::new()
                    .app_data(web::Data::new(doors.clone()))
                    .route("/held", web::get().to(held))
                    .route("/endless", web::get().to(endless))
                    .route("/facts", web::to(facts))
                    .route("/large", web::get().to(large))
                    .route("/upgrade", web::get().to(upgrade))
                    .default_service(web::to(refuse))
                    .wrap_fn(move |request: ServiceRequest, app| {
                        let target = format!("{} {}", request.method(), request.uri());
                        seen.borrow_mut().push(target);
                        *latest.borrow_mut() = request.conn_data::<Rc<Activity>>().cloned();
                        app.call(request)
                    })
            }
        };
        tokio::task::spawn_local(async move { work(&make, connections, orders).await });
        Self {
            listener: std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            accepted,
            draining,
            doors,
            seen,
            latest,
            trusted,
            _clock: hold_the_clock(),
        }
    }

    /// Somebody who has connected, and has not said anything.
    pub(super) async fn client(&self) -> Client {
        let stream = std::net::TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let (accepted, peer) = self.listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let stranger = Accepted {
            stream: accepted,
            peer,
            place,
        };
        self.accepted.send(stranger).ok().unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        let stream: Box<dyn Stream> = match &self.trusted {
            Some(trusted) => Box::new(soon(connect_tls(stream, trusted, b"http/1.1")).await.unwrap()),
            None => Box::new(stream),
        };
        Client { stream }
    }

    /// The connection that the latest request came by.
    pub(super) fn latest(&self) -> Watched {
        Watched(self.latest.borrow_mut().take().unwrap())
    }

    pub(super) async fn somebody_is_held(&self) {
        soon(self.doors.arrived.acquire()).await.unwrap().forget();
    }

    /// What the application got since it was asked last.
    pub(super) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.borrow_mut())
    }
}

fn certified() -> (
    Arc<rustls::ServerConfig>,
    rustls::pki_types::CertificateDer<'static>,
) {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let certificates = Certificates::read(folder.path().join("tls.crt"), folder.path().join("tls.key"));
    (Arc::new(certificates.unwrap()).server_config().unwrap(), trusted)
}

/// While a task blocks, a clock that stands still does not jump to the next timer when everybody waits for a socket. If a
/// story is stuck the clock is let go, so that its patience ends.
fn hold_the_clock() -> std::sync::mpsc::Sender<()> {
    let (held, ended) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
    held
}

/// A connection, seen from within.
pub(super) struct Watched(Rc<Activity>);

impl Watched {
    /// Whether it has a socket and no protocol.
    pub(super) fn rests(&self) -> bool {
        Rc::strong_count(&self.0) == KNOWN_AT_REST
    }

    pub(super) async fn wakes_up(&self) {
        until("it wakes up", || !self.rests()).await;
    }

    /// Lets the time of a rest pass, and until it is looked for, which is later if a request was under way at the last look.
    pub(super) async fn comes_to_rest(&self) {
        assert!(!self.rests());
        for _ in 0..3 {
            pass(REST).await;
            if self.rests() {
                return;
            }
        }
        panic!("it does not rest");
    }

    /// Lets many times that time pass.
    pub(super) async fn does_not_rest(&self) {
        for _ in 0..4 {
            pass(REST).await;
            assert!(!self.rests());
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Speaks HTTP/1.1 as it is told to.
pub(super) struct Client {
    stream: Box<dyn Stream>,
}

impl Client {
    pub(super) async fn say(&mut self, text: &str) {
        soon(self.stream.write_all(text.as_bytes())).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    /// As [`Self::say`], to somebody who may be gone.
    pub(super) async fn shout(&mut self, text: &str) {
        let _ = soon(self.stream.write_all(text.as_bytes())).await;
        let _ = soon(self.stream.flush()).await;
    }

    /// The next head, or what there is of it when the other end closes.
    pub(super) async fn hear_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match soon(self.stream.read_u8()).await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// Head and body of the next answer; empty when the other end has closed.
    pub(super) async fn hear(&mut self) -> String {
        let mut head = self.hear_head().await;
        while head.starts_with("HTTP/1.1 100") {
            head = self.hear_head().await;
        }
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        soon(self.stream.read_exact(&mut body)).await.unwrap();
        head + &String::from_utf8(body).unwrap()
    }

    pub(super) async fn hear_all(&mut self, room: &mut [u8]) {
        soon(self.stream.read_exact(room)).await.unwrap();
    }

    /// Asks for this path, and hears the answer.
    pub(super) async fn ask(&mut self, path: &str) -> String {
        self.say(&asking(path)).await;
        self.hear().await
    }

    /// Whether the other end closes before it says anything.
    pub(super) async fn is_left(&mut self) -> bool {
        self.hear_head().await.is_empty()
    }
}

/// A request without a body.
pub(super) fn asking(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: session=1\r\n\r\n")
}
