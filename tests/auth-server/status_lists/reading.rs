//! Reads status lists as a resource server does, by hand.

use std::collections::BTreeSet;
use std::io::Read as _;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::harness::{Answer, Server, peek};

/// Where a grant stands: the list and the bit in it.
pub(crate) type Place = (u64, u64);

/// What a token says of its place.
pub(crate) fn place(server: &Server, access_token: &str) -> Place {
    let claims = peek(access_token).1;
    let status = claims["status"]["status_list"].as_object().expect("a place");
    assert_eq!(status.len(), 2);
    let uri = status["uri"].as_str().unwrap();
    let list = uri.strip_prefix(&format!("{}/statuslists/", server.issuer));
    (list.unwrap().parse().unwrap(), status["idx"].as_u64().unwrap())
}

/// A list, and what it says of itself; everything that has to hold for each is checked.
pub(crate) async fn read(server: &Server, answer: &Answer) -> (Value, Value, Vec<u8>) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/statuslist+jwt");
    let (header, claims) = peek(&answer.body);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&"statuslist+jwt".into(), &"ES256".into())
    );
    assert_signed(server, &answer.body, header["kid"].as_str().unwrap()).await;
    assert_eq!(claims["status_list"]["bits"], 1);
    let stream = URL_SAFE_NO_PAD
        .decode(claims["status_list"]["lst"].as_str().unwrap())
        .unwrap();
    let mut bits = Vec::new();
    flate2::read::ZlibDecoder::new(&*stream)
        .read_to_end(&mut bits)
        .unwrap();
    assert_eq!(bits.len(), 131_072);
    (header, claims, bits)
}

/// By the key of that name, which has to be published.
async fn assert_signed(server: &Server, token: &str, kid: &str) {
    let keys = server.get("/jwks").await.json();
    let mut keys = keys["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["kid"] == kid).expect("a published key");
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        point.extend(URL_SAFE_NO_PAD.decode(key[coordinate].as_str().unwrap()).unwrap());
    }
    let (input, signature) = token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .expect("a good signature");
}

/// All grants that the first list calls invalid, a second later.
pub(crate) async fn invalid(server: &Server) -> BTreeSet<Place> {
    server.advance(1);
    invalid_now(server).await
}

/// The same, without letting time pass.
pub(crate) async fn invalid_now(server: &Server) -> BTreeSet<Place> {
    let (_, _, bits) = read(server, &server.get("/statuslists/0").await).await;
    (0..1_048_576)
        .filter(|bit| bits[bit / 8] >> (bit % 8) & 1 == 1)
        .map(|bit| (0, bit as u64))
        .collect()
}
