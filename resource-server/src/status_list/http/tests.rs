use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use super::{FetchListError, FetchStatusList as _, FetchedList, HttpStatusLists, InvalidStatusList};

const MAX_LIST_BYTES: usize = 1024;

/// Answers one request with these bytes; gives the head of the request and what came of it.
async fn fetch(answer: &[u8], etag: Option<&str>) -> (String, Result<FetchedList, FetchListError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Url = format!("http://{}/lists/1", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let serve = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        // Whoever has read enough goes away.
        let _ = connection.write_all(answer).await;
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    };
    let lists = HttpStatusLists::new(MAX_LIST_BYTES).unwrap();
    tokio::join!(serve, lists.fetch(&uri, etag))
}

fn ok(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
        .into_bytes()
}

// draft-ietf-oauth-status-list §8.1
#[tokio::test]
async fn a_list_is_asked_for_as_a_jwt() {
    let (head, fetched) = fetch(&ok("ETag: \"v1\"\r\n", "a.b.c"), None).await;
    assert!(head.starts_with("get /lists/1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\naccept: application/statuslist+jwt\r\n"),
        "{head}"
    );
    for header in ["if-none-match", "authorization", "cookie", "referer"] {
        assert!(!head.contains(&format!("\r\n{header}:")), "{head}");
    }
    let expected = FetchedList::New {
        token: "a.b.c".to_owned(),
        etag: Some("\"v1\"".to_owned()),
    };
    assert_eq!(fetched.unwrap(), expected);
}

#[tokio::test]
async fn what_is_known_is_said() {
    let unchanged = b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n";
    let (head, fetched) = fetch(unchanged, Some("W/\"v1\"")).await;
    assert!(head.contains("\r\nif-none-match: w/\"v1\"\r\n"), "{head}");
    assert_eq!(fetched.unwrap(), FetchedList::Unchanged);
    let (_, fetched) = fetch(unchanged, None).await;
    assert!(matches!(fetched, Err(FetchListError::Status(304))), "{fetched:?}");
}

#[tokio::test]
async fn a_name_of_a_state_that_is_too_long_is_forgotten() {
    let long = format!("ETag: \"{}\"\r\n", "v".repeat(300));
    let (_, fetched) = fetch(&ok(&long, "a.b.c"), None).await;
    assert!(
        matches!(fetched, Ok(FetchedList::New { etag: None, .. })),
        "{fetched:?}"
    );
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    for (answer, status) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        ("HTTP/1.1 503 Out\r\nContent-Length: 0\r\n\r\n", 503),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            302,
        ),
    ] {
        let (_, fetched) = fetch(answer.as_bytes(), None).await;
        assert!(
            matches!(fetched, Err(FetchListError::Status(got)) if got == status),
            "{fetched:?}"
        );
    }
    let (_, fetched) = fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na.b", None).await;
    assert!(
        matches!(fetched, Err(FetchListError::Transport(_))),
        "{fetched:?}"
    );
}

#[tokio::test]
async fn a_list_that_is_too_large_is_not_read_to_its_end() {
    let (_, fetched) = fetch(&ok("", &"a".repeat(1024 * 1024)), None).await;
    let too_large = FetchListError::Invalid(InvalidStatusList::TooLarge);
    assert_eq!(fetched.unwrap_err().to_string(), too_large.to_string());
    let (_, fetched) = fetch(&ok("", &"a".repeat(18 * 1024)), None).await;
    assert!(fetched.is_ok());
}
