mod desync;
mod rest;
mod still;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::*;

const LIMITS: Limits = Limits {
    max_connections: 64,
    head_timeout: Duration::from_secs(10),
    keep_alive: Duration::from_secs(75),
};

/// What the handlers and the test tell each other.
#[derive(Clone)]
struct Doors {
    /// `/held` has arrived this often.
    arrived: Arc<Semaphore>,
    /// `/held` may answer this often.
    open: Arc<Semaphore>,
    /// The body of `/endless` was given up.
    given_up: mpsc::UnboundedSender<()>,
}

struct GivenUp(mpsc::UnboundedSender<()>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

async fn held(doors: web::Data<Doors>) -> &'static str {
    doors.arrived.add_permits(1);
    let _ = doors
        .open
        .acquire()
        .await
        .map(tokio::sync::SemaphorePermit::forget);
    "done"
}

async fn endless(doors: web::Data<Doors>) -> HttpResponse {
    let guard = GivenUp(doors.given_up.clone());
    let pieces =
        futures_util::stream::once(async { Ok::<_, actix_web::Error>(Bytes::from_static(b"begin")) })
            .chain(futures_util::stream::pending())
            .map(move |piece| {
                let _ = &guard;
                piece
            });
    HttpResponse::Ok().streaming(pieces)
}

/// Says how the request looks to an application.
async fn facts(request: HttpRequest, mut payload: web::Payload) -> String {
    let mut length = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        length += chunk.len();
    }
    let mut facts: Vec<_> = request.headers().iter().collect();
    facts.sort_by_key(|(name, _)| name.as_str());
    let headers: Vec<_> = facts
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    let trailers = request.extensions().get::<Trailers>().and_then(Trailers::take);
    let trailers = trailers.map(|trailers| trailers["sum"].to_str().unwrap().to_owned());
    let peer = request.peer_addr().unwrap().ip();
    format!(
        "{} {} {length} {trailers:?} {peer}",
        request.uri(),
        headers.join(",")
    )
}

async fn with_trailers() -> HttpResponse {
    let slot = Trailers::default();
    let writer = slot.clone();
    let pieces = futures_util::stream::once(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        writer.put(trailers);
        Ok::<_, actix_web::Error>(Bytes::from_static(b"message"))
    });
    let mut answer = HttpResponse::Ok().streaming(pieces);
    answer.extensions_mut().insert(slot);
    answer
}

struct Scene {
    server: Server,
    address: SocketAddr,
    doors: Doors,
    given_up: mpsc::UnboundedReceiver<()>,
}

impl Scene {
    fn set(limits: Limits, certificates: Option<Arc<Certificates>>) -> Self {
        let (sender, given_up) = mpsc::unbounded_channel();
        let doors = Doors {
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
            given_up: sender,
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Settings {
            workers: 1,
            limits,
            certificates,
            patience: Duration::from_secs(10),
        };
        let shared = doors.clone();
        let server = Server::start(listener, settings, move || {
            App::new()
                .app_data(web::Data::new(shared.clone()))
                .route("/held", web::get().to(held))
                .route("/endless", web::get().to(endless))
                .route("/facts", web::to(facts))
                .route("/trailers", web::get().to(with_trailers))
        })
        .unwrap();
        Self {
            server,
            address,
            doors,
            given_up,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn somebody_is_held(&self) {
        soon(self.doors.arrived.acquire()).await.unwrap().forget();
    }
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), event)
        .await
        .expect("it happens soon")
}

async fn speak_http2<B>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> http2::SendRequest<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

async fn speak_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> http1::SendRequest<Full<Bytes>> {
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(target: &str) -> Request<Full<Bytes>> {
    Request::get(target)
        .header("host", "app.example")
        .body(Full::default())
        .unwrap()
}

fn get2(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://app.example{path}"))
        .body(Full::default())
        .unwrap()
}

async fn text(answer: Response<Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_of_http2_looks_like_one_of_http1() {
    let scene = Scene::set(LIMITS, None);
    let mut client = speak_http2::<Full<Bytes>>(scene.connect().await).await;
    let mut request = get2("/facts?a=%2e");
    request
        .headers_mut()
        .append("cookie", HeaderValue::from_static("a=1"));
    request
        .headers_mut()
        .append("cookie", HeaderValue::from_static("b=2"));

    let answer = client.send_request(request).await.unwrap();

    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(
        text(answer).await,
        "/facts?a=%2e cookie=a=1; b=2,host=app.example 0 None 127.0.0.1"
    );
    drop(client);
    soon(scene.server.stop()).await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let scene = Scene::set(LIMITS, None);
    let mut client = speak_http2(scene.connect().await).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("sum", HeaderValue::from_static("5"));
    let frames = [
        Frame::data(Bytes::from_static(b"hello")),
        Frame::trailers(trailers),
    ];
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("http://app.example/facts").body(body).unwrap();

    let answer = client.send_request(request).await.unwrap();

    assert_eq!(
        text(answer).await,
        "/facts host=app.example,transfer-encoding=chunked 5 Some(\"5\") 127.0.0.1"
    );
    let mut client = speak_http2(scene.connect().await).await;
    let answer = client.send_request(get2("/trailers")).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "message");
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let scene = Scene::set(LIMITS, None);
    let mut client = speak_http2(scene.connect().await).await;
    let mut request = get2("/facts");
    *request.method_mut() = http::Method::HEAD;

    let answer = client.send_request(request).await.unwrap();

    let length = "/facts host=app.example 0 None 127.0.0.1".len();
    assert_eq!(answer.headers()["content-length"], length.to_string().as_str());
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_refused() {
    let scene = Scene::set(LIMITS, None);
    let mut client = speak_http2(scene.connect().await).await;
    let mut request = get2("/facts");
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("other.example"));

    let answer = client.send_request(request).await.unwrap();

    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_reader_who_leaves_is_noticed_in_both_protocols() {
    let mut scene = Scene::set(LIMITS, None);

    let mut client = speak_http2(scene.connect().await).await;
    let answer = client.send_request(get2("/endless")).await.unwrap();
    drop(answer);
    soon(scene.given_up.recv()).await.unwrap();

    let mut client = speak_http1(scene.connect().await).await;
    let answer = client.send_request(get("/endless")).await.unwrap();
    drop((answer, client));
    soon(scene.given_up.recv()).await.unwrap();
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_then_closes_who_rests() {
    let scene = Scene::set(LIMITS, None);
    let mut resting = scene.connect().await;
    resting
        .write_all(b"GET /facts HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 12];
    resting.read_exact(&mut some).await.unwrap();
    let mut first = speak_http1(scene.connect().await).await;
    let mut second = speak_http2(scene.connect().await).await;
    let first = tokio::spawn(first.send_request(get("/held")));
    let second_answer = tokio::spawn(second.send_request(get2("/held")));
    scene.somebody_is_held().await;
    scene.somebody_is_held().await;
    // It has connected, and is about to say something: it is heard out.
    let mut late = scene.connect().await;
    let mut herald = speak_http1(scene.connect().await).await;

    let doors = scene.doors.clone();
    let stopping = tokio::spawn(scene.server.stop());
    // It takes a moment until every worker knows.
    loop {
        soon(herald.ready()).await.unwrap();
        let told = soon(herald.send_request(get("/facts"))).await.unwrap();
        let is_last = told.headers().contains_key("connection");
        text(told).await;
        if is_last {
            break;
        }
    }
    late.write_all(b"GET /facts HTTP/1.1\r\nHost: late\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    soon(late.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );
    let mut rest = Vec::new();
    soon(resting.read_to_end(&mut rest)).await.unwrap();
    doors.open.add_permits(2);
    let first = soon(first).await.unwrap().unwrap();
    assert_eq!(first.headers()["connection"], "close");
    assert_eq!(text(first).await, "done");
    assert_eq!(text(soon(second_answer).await.unwrap().unwrap()).await, "done");

    soon(stopping).await.unwrap();
    assert!(soon(second.ready()).await.is_err(), "HTTP/2 was told to go away");
}

#[tokio::test]
async fn a_head_has_a_time_in_which_to_arrive() {
    let limits = Limits {
        head_timeout: Duration::from_millis(200),
        ..LIMITS
    };
    let scene = Scene::set(limits, None);
    for begin in [
        "",
        "GET /facts HTTP/1.1\r\nHo",
        "PRI * HT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = scene.connect().await;
        client.write_all(begin.as_bytes()).await.unwrap();
        // A reset is an end as well.
        let _ = soon(client.read_to_end(&mut Vec::new())).await;
    }
    let mut client = scene.connect().await;
    client
        .write_all(b"GET /facts HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    client.write_all(b"GET /fa").await.unwrap();
    let _ = soon(client.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let limits = Limits {
        keep_alive: Duration::from_millis(200),
        ..LIMITS
    };
    let scene = Scene::set(limits, None);
    let mut client = speak_http1(scene.connect().await).await;
    text(client.send_request(get("/facts")).await.unwrap()).await;
    let mut client2 = speak_http2(scene.connect().await).await;
    text(client2.send_request(get2("/facts")).await.unwrap()).await;

    soon(async {
        while client.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(async {
        while client2.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_comes_beyond_the_limit_waits_for_a_place() {
    let limits = Limits {
        max_connections: 1,
        ..LIMITS
    };
    let scene = Scene::set(limits, None);
    let mut first = speak_http1(scene.connect().await).await;
    let held = tokio::spawn(first.send_request(get("/held")));
    scene.somebody_is_held().await;
    let mut second = speak_http1(scene.connect().await).await;
    let mut waiting = std::pin::pin!(second.send_request(get("/facts")));

    assert!(
        timeout(Duration::from_millis(100), waiting.as_mut())
            .await
            .is_err()
    );
    scene.doors.open.add_permits(1);
    text(soon(held).await.unwrap().unwrap()).await;
    drop(first);

    assert_eq!(soon(waiting).await.unwrap().status(), StatusCode::OK);
}
