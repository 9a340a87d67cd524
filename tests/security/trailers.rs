//! Trailers, from HTTP/2 to HTTP/2 through the BFF.

use bytes::Bytes;
use e2e::on_one_store;
use e2e::peer::Peer;
use e2e::stack::Deployment;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::upstreams::add_route;

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(*name, HeaderValue::from_static(value));
    }
    fields
}

async fn c39_trailers_cross_and_are_no_way_around_the_rules_of_headers(deployment: Deployment) {
    let stack = deployment.start().await;
    let peer = Peer::h2("h2");
    let lines = format!("upstream = \"http://{}\"\nprotocol = \"h2\"", peer.address());
    add_route(&stack, "/trailers", &lines).await;
    let stream = TcpStream::connect(stack.bff_address()).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let frames = [
        Frame::data(Bytes::from_static(b"body")),
        Frame::trailers(fields(&[
            ("x-checksum", "abc"),
            ("authorization", "Bearer of-the-client"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("content-length", "99"),
        ])),
    ];
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    let authority = stack.browser().app().authority().to_owned();
    let request = Request::post(format!("http://{authority}/trailers/x"))
        .header("te", "trailers")
        .body(StreamBody::new(stream::iter(frames)))
        .unwrap();

    let answer = sender.send_request(request).await.unwrap();

    assert_eq!(answer.status(), 200);
    let whole = answer.into_body().collect().await.unwrap();
    let trailers = whole.trailers().cloned().unwrap_or_default();
    assert_eq!(whole.to_bytes(), "h2");
    assert_eq!(trailers, fields(&[("x-last", "h2")]), "the cookie stays behind");
    let heard = peer.heard().pop().unwrap();
    assert_eq!(&heard.body[..], b"body");
    assert_eq!(heard.trailers, fields(&[("x-checksum", "abc")]));
    connection.abort();
}

on_one_store!(c39_trailers_cross_and_are_no_way_around_the_rules_of_headers);
