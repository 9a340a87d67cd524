//! Answers of upstreams that frame their bodies in every way HTTP/1.1 knows, byte for byte as the browser gets them.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bff::session::key_ring::{KeyName, KeyRing};
use bff::{Config, Listeners, Running};
use resource_server::time::SystemClock;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A BFF in front of an upstream that answers every request with the same bytes.
struct Scene {
    bff: Running,
    _folder: TempDir,
}

impl Scene {
    async fn with_answer(answer: &'static str) -> Self {
        Self::in_front_of(upstream_that_says(answer, false).await).await
    }

    async fn in_front_of(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let mut file = std::fs::File::create(&keys).unwrap();
        file.write_all(KeyRing::generate(&KeyName::parse("k1").unwrap()).as_bytes())
            .unwrap();
        std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let toml = format!(
            "[server]\npublic_url = \"http://localhost\"\nworkers = 1\n\
             [provider]\nissuer = \"http://127.0.0.1:1\"\nclient_id = \"x\"\nclient_secret_env = \"SECRET\"\n\
             [session]\nkey_ring_file = {keys:?}\n[store.embedded]\npath = {:?}\n\
             [[route]]\nprefix = \"/open\"\nupstream = \"http://{upstream}\"\naccess = \"anonymous\"\n",
            folder.path().join("sessions.redb")
        );
        let config = Config::parse(&toml, &|_| Some("secret".to_owned())).unwrap();
        let listeners = Listeners {
            public: TcpListener::bind("127.0.0.1:0").unwrap(),
            management: None,
        };
        let bff = bff::start(config, listeners, Arc::new(SystemClock))
            .await
            .unwrap();
        Self { bff, _folder: folder }
    }

    /// Two requests on one connection: what is wrong with the framing of the first answer shows in the second.
    async fn asked_twice(self, method: &str) -> String {
        let mut connection = TcpStream::connect(self.bff.address()).await.unwrap();
        let request = |last: &str| format!("{method} /open HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
        let both = format!("{}{}", request(""), request("Connection: close\r\n"));
        connection.write_all(both.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        connection.read_to_end(&mut answers).await.unwrap();
        self.bff.stop().await;
        String::from_utf8(answers).unwrap()
    }
}

/// Answers every request on a connection, or only the first and hangs up without having said so.
async fn upstream_that_says(answer: &'static str, hangs_up: bool) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                while matches!(connection.read(&mut head).await, Ok(read) if read > 0) {
                    let written = connection.write_all(answer.as_bytes()).await;
                    if written.is_err() || hangs_up {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The bodies of two answers on one connection: each between its head and the next one.
fn bodies(answers: &str) -> Vec<&str> {
    let parts: Vec<_> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(parts.len(), 2, "two answers were expected: {answers:?}");
    parts
        .iter()
        .map(|part| part.split_once("\r\n\r\n").expect("a whole head").1)
        .collect()
}

/// Makes a test of an answer, the method it answers to, and what its body is.
macro_rules! answers {
    ($($name:ident: $method:literal $answer:literal => $body:literal, $($word:literal)|*;)+) => {$(
        #[test]
        fn $name() {
            e2e::story::run(async {
                let told = Scene::with_answer($answer).await.asked_twice($method).await;
                assert_eq!(bodies(&told), [$body, $body], "{told:?}");
                $(assert_eq!(told.to_lowercase().matches($word).count(), 2, "{:?} in {told:?}", $word);)*
            });
        }
    )+};
}

answers! {
    a_204_has_no_body:
        "GET" "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n" => "", "204 no content" | "x: y";
    a_205_has_no_body:
        "GET" "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n" => "", "205 reset";
    a_304_has_no_body:
        "GET" "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n" => "", "304 not" | "etag: \"1\"";
    a_304_may_say_how_long_the_body_would_be:
        "GET" "HTTP/1.1 304 Not Modified\r\nContent-Length: 123\r\n\r\n" => "", "304 not" | "content-length: 123";
    an_answer_to_head_says_how_long_the_body_would_be:
        "HEAD" "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" => "", "200 ok" | "content-length: 5";
    an_answer_to_head_need_not_say_it:
        "HEAD" "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" => "", "200 ok";
    a_declared_length_is_kept:
        "GET" "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" => "hello", "content-length: 5";
    an_empty_body_is_empty:
        "GET" "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" => "", "content-length: 0";
    chunks_stay_chunks:
        "GET" "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        => "5\r\nhello\r\n0\r\n\r\n", "transfer-encoding: chunked";
    beside_chunks_a_declared_length_counts_for_nothing:
        "GET" "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        => "5\r\nhello\r\n0\r\n\r\n", "transfer-encoding: chunked";
}

/// A 101 that nobody asked for would hand the connection to the upstream.
#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_refused() {
    e2e::story::run(async {
        let scene = Scene::with_answer(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        );
        let told = scene.await.asked_twice("GET").await;
        assert_eq!(told.matches("HTTP/1.1 502").count(), 2, "{told}");
    });
}

/// A kept connection that the upstream closes as it is used is nobody's 502: a safe request is sent once more.
#[test]
fn a_connection_that_the_upstream_closed_meanwhile_costs_no_request() {
    e2e::story::run(async {
        let upstream = upstream_that_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true).await;
        let scene = Scene::in_front_of(upstream).await;
        let mut connection = TcpStream::connect(scene.bff.address()).await.unwrap();
        let requests = "GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(30);
        let last = "GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        connection
            .write_all(format!("{requests}{last}").as_bytes())
            .await
            .unwrap();
        let mut told = String::new();
        connection.read_to_string(&mut told).await.unwrap();
        assert_eq!(told.matches("HTTP/1.1 200").count(), 31, "{told}");
        scene.bff.stop().await;
    });
}

/// What was cut off must not look whole.
#[test]
fn a_body_that_broke_off_ends_without_a_proper_end() {
    e2e::story::run(async {
        let scene = Scene::in_front_of(
            upstream_that_says(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                true,
            )
            .await,
        )
        .await;
        let mut connection = TcpStream::connect(scene.bff.address()).await.unwrap();
        connection
            .write_all(b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut told = Vec::new();
        let _ = connection.read_to_end(&mut told).await;
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(!told.ends_with("0\r\n\r\n"), "{told:?}");
        scene.bff.stop().await;
    });
}
