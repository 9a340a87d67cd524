//! Any bytes as the claims of a status list, as they stand and signed by the issuer.
#![no_main]

use std::time::Duration;

use fuzz::{ISSUER, KEYS, NOW, sign};
use libfuzzer_sys::fuzz_target;
use resource_server::algorithm::Algorithm;
use resource_server::status_list::{ExpectedList, StatusList};
use serde_json::{Map, Value};

const URI: &str = "https://i.example/statuslists/1";

const MAX_BYTES: usize = 1024;

fuzz_target!(|claims: &[u8]| {
    let expected = ExpectedList {
        uri: URI,
        issuer: ISSUER,
        algorithms: &Algorithm::ALL,
        max_bytes: MAX_BYTES,
        leeway: Duration::from_secs(5),
    };
    let read = StatusList::parse(claims, &expected, NOW);
    let token = sign(br#"{"typ":"statuslist+jwt","alg":"EdDSA","kid":"k"}"#, claims);
    let verified = StatusList::verify(&token, &KEYS, &expected, NOW);
    assert_eq!(read.as_ref().ok(), verified.as_ref().ok());
    if let Ok(list) = read {
        assert_list(
            &list,
            &serde_json::from_slice(claims).expect("what was accepted is a JSON object"),
        );
    }
});

fn assert_list(list: &StatusList, claims: &Map<String, Value>) {
    assert_eq!(claims["sub"], URI);
    assert!(claims.get("iss").is_none_or(|issuer| issuer == ISSUER));
    let bits = claims["status_list"]["bits"].as_u64().expect("a number");
    let per_byte = 8 / bits;
    let mut ended = false;
    for index in 0..=(MAX_BYTES as u64 * per_byte) {
        let status = list.status(index);
        assert!(status.is_none_or(|status| u64::from(status) < 1 << bits));
        // There are no holes, and no status beyond the greatest size.
        assert!(!ended || status.is_none());
        ended = status.is_none();
    }
    assert!(ended);
    assert_eq!(list.status(u64::MAX), None);
}
