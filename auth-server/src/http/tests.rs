use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A server that counts who comes, and answers each with the same bytes.
struct Trap {
    port: u16,
    visits: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Trap {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let visits = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (Arc::clone(&visits), answer.into());
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(&answer).await;
                    // Held open: it is for the client to go.
                    let _ = stream.read(&mut request).await;
                });
            }
        });
        Self { port, visits, server }
    }

    fn url(&self, base: &str) -> Url {
        Url::parse(&format!("{base}:{}/keys", self.port)).unwrap()
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn with_loopback() -> Outbound {
    Outbound::new(Targets::new(&["127.0.0.0/8".parse().unwrap()]))
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn neither_an_address_nor_a_name_leads_into_our_own_network() {
    let trap = Trap::answering(ok("{}")).await;
    let outbound = Outbound::new(Targets::default());
    for base in [
        "http://127.0.0.1",
        "http://localhost",
        "https://127.0.0.1",
        "https://localhost",
        "https://LOCALHOST",
        "https://[::ffff:127.0.0.1]",
    ] {
        let fetched = outbound.get_json(&trap.url(base)).await;
        assert!(
            matches!(fetched, Err(OutboundError::Forbidden(ForbiddenTarget::Network))),
            "{base}: {fetched:?}"
        );
        let posted = outbound.post_form(&trap.url(base), &[("a", "b")]).await;
        assert!(
            matches!(posted, Err(OutboundError::Forbidden(ForbiddenTarget::Network))),
            "{base}: {posted:?}"
        );
    }
    assert_eq!(trap.visits(), 0);
}

#[tokio::test]
async fn what_the_operator_allows_is_called_by_address_and_by_name() {
    let trap = Trap::answering(ok("{}")).await;
    let outbound = with_loopback();
    for (visits, base) in ["http://127.0.0.1", "http://localhost"].into_iter().enumerate() {
        assert_eq!(outbound.get_json(&trap.url(base)).await.unwrap(), b"{}");
        assert_eq!(trap.visits(), visits + 1);
    }
    assert_eq!(
        outbound
            .post_form(&trap.url("http://127.0.0.1"), &[])
            .await
            .unwrap(),
        200
    );
    // The trap speaks no TLS, but it was called.
    let by_tls = outbound.get_json(&trap.url("https://localhost")).await;
    assert!(matches!(by_tls, Err(OutboundError::Transport(_))), "{by_tls:?}");
    assert_eq!(trap.visits(), 4);
}

#[test]
fn of_a_name_with_good_and_bad_addresses_the_good_ones_are_called() {
    let found = || {
        ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0"]
            .iter()
            .map(|text| text.parse().unwrap())
    };
    let targets = Targets::new(&["::1/128".parse().unwrap()]);
    let addresses = |name: &str| admitted(&targets, name, found()).unwrap();
    assert_eq!(
        addresses("keys.example"),
        ["1.1.1.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]
    );
    // Whatever a resolver says of it, this name is this machine.
    assert_eq!(addresses("localhost"), ["[::1]:0".parse().unwrap()]);
    let bad = admitted(&Targets::default(), "localhost", found()).unwrap_err();
    assert!(bad.is::<ForbiddenTarget>());
    assert!(
        !admitted(&targets, "x", std::iter::empty())
            .unwrap_err()
            .is::<ForbiddenTarget>()
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_an_order() {
    let inner = Trap::answering(ok("{}")).await;
    let location = inner.url("http://127.0.0.1");
    for status in [301, 302, 307, 308] {
        let outer = Trap::answering(format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let fetched = with_loopback().get_json(&outer.url("http://127.0.0.1")).await;
        assert!(matches!(fetched, Err(OutboundError::Status(s)) if s == status));
        let posted = with_loopback()
            .post_form(&outer.url("http://127.0.0.1"), &[])
            .await;
        assert_eq!(posted.unwrap(), status);
    }
    assert_eq!(inner.visits(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..=MAX_ANSWER_BYTES / 4096 {
        endless.extend_from_slice(b"1000\r\n");
        endless.extend_from_slice(&[b' '; 4096]);
        endless.extend_from_slice(b"\r\n");
    }
    let trap = Trap::answering(endless).await;
    let fetched = with_loopback().get_json(&trap.url("http://127.0.0.1")).await;
    assert!(matches!(fetched, Err(OutboundError::TooLarge)), "{fetched:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_is_given_up() {
    let trap = Trap::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx").await;
    let fetched = with_loopback().get_json(&trap.url("http://127.0.0.1")).await;
    assert!(matches!(fetched, Err(OutboundError::TimedOut)), "{fetched:?}");
}

#[tokio::test]
async fn an_error_does_not_repeat_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let url = Url::parse(&format!("http://{closed}/secret-path")).unwrap();
    let error = with_loopback().get_json(&url).await.unwrap_err();
    let chain = format!("{:?}", anyhow::Error::from(error));
    assert!(!chain.contains("secret-path"), "{chain}");
}
