use std::time::Duration;

use serde_json::{Value, json};

use super::{ExpectedList, InvalidStatusList, StatusList, max_token_bytes};
use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::test_support::{ISSUER, NOW, TestKey, TestStatusList, encode, key_set, zlib};
use crate::time::UnixTime;

const EXPECTED: ExpectedList<'_> = ExpectedList {
    uri: TestStatusList::URI,
    issuer: ISSUER,
    algorithms: &Algorithm::ALL,
    max_bytes: 64 * 1024,
    leeway: Duration::from_secs(5),
};

fn parse(claims: &Value) -> Result<StatusList, InvalidStatusList> {
    StatusList::parse(claims.to_string().as_bytes(), &EXPECTED, NOW)
}

fn list(bits: u8, lst: &str) -> StatusList {
    let mut claims = TestStatusList::default().claims();
    claims["status_list"] = json!({"bits": bits, "lst": lst});
    parse(&claims).unwrap()
}

fn with(name: &str, value: Value) -> Result<StatusList, InvalidStatusList> {
    let mut claims = TestStatusList::default().claims();
    claims[name] = value;
    parse(&claims)
}

fn without(name: &str) -> Result<StatusList, InvalidStatusList> {
    let mut claims = TestStatusList::default().claims();
    claims.as_object_mut().unwrap().remove(name);
    parse(&claims)
}

fn statuses(list: &StatusList, count: u64) -> Vec<u8> {
    (0..count).map(|index| list.status(index).unwrap()).collect()
}

// §4.1 of the draft, its two examples
#[test]
fn the_examples_of_the_draft_are_read_as_it_says() {
    let one_bit = list(1, "eNrbuRgAAhcBXQ");
    assert_eq!(
        statuses(&one_bit, 16),
        [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    );
    assert_eq!(one_bit.status(16), None);
    let two_bits = list(2, "eNo76fITAAPfAgc");
    assert_eq!(statuses(&two_bits, 12), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
    assert_eq!(two_bits.status(12), None);
}

#[test]
fn statuses_of_all_sizes_lie_from_the_least_significant_bit_on() {
    let bytes = [0b1101_0110, 0b0010_1001];
    for (bits, expected) in [
        (1, vec![0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0]),
        (2, vec![2, 1, 1, 3, 1, 2, 2, 0]),
        (4, vec![6, 13, 9, 2]),
        (8, vec![0xd6, 0x29]),
    ] {
        let list = list(bits, &encode(&zlib(&bytes)));
        let count = u64::from(16 / bits);
        assert_eq!(statuses(&list, count), expected, "{bits}");
        for beyond in [count, count + 1, 1 << 32, u64::MAX] {
            assert_eq!(list.status(beyond), None, "{bits}, {beyond}");
        }
    }
}

#[test]
fn a_list_may_be_empty_and_then_knows_nobody() {
    assert_eq!(list(1, &encode(&zlib(&[]))).status(0), None);
}

#[test]
fn what_is_not_known_here_is_no_fault() {
    let mut claims = TestStatusList::default().claims();
    claims["aud"] = json!(["anyone"]);
    claims["new"] = json!({"a": 1});
    claims["iss"] = json!(ISSUER);
    claims["status_list"]["aggregation_uri"] = json!("https://issuer.example/statuslists");
    claims["status_list"]["new"] = json!(null);
    assert_eq!(parse(&claims).unwrap().status(0), Some(0));
}

#[test]
fn a_list_is_that_of_its_address_and_of_its_issuer() {
    assert_eq!(
        with("sub", json!("https://issuer.example/statuslists/1/")),
        Err(InvalidStatusList::OfAnotherUri)
    );
    assert_eq!(without("sub"), Err(TokenError::MissingClaim("sub").into()));
    assert_eq!(
        with("iss", json!("https://other.example")),
        Err(TokenError::Issuer.into())
    );
    assert_eq!(
        with("iss", json!(1)),
        Err(TokenError::MalformedClaim("iss").into())
    );
}

#[test]
fn times_are_judged_with_the_leeway() {
    let at = |offset: i64| json!(NOW.as_secs() + offset);
    assert!(with("exp", at(-4)).is_ok());
    assert_eq!(with("exp", at(-5)), Err(TokenError::Expired.into()));
    assert_eq!(with("nbf", at(6)), Err(TokenError::NotYetValid.into()));
    assert!(with("iat", at(65)).is_ok());
    assert_eq!(with("iat", at(66)), Err(TokenError::IssuedInTheFuture.into()));
    assert_eq!(without("iat"), Err(TokenError::MissingClaim("iat").into()));
    assert_eq!(
        with("iat", json!("now")),
        Err(TokenError::MalformedClaim("iat").into())
    );
    let lasting = without("exp").unwrap();
    assert_eq!(lasting.expires_at(), None);
    assert_eq!(lasting.issued_at(), UnixTime::from_secs(NOW.as_secs()));
}

#[test]
fn ttl_is_a_positive_number() {
    let ttl = |value: Value| with("ttl", value).map(|list| list.time_to_live());
    assert_eq!(ttl(json!(5)), Ok(Some(Duration::from_secs(5))));
    assert_eq!(ttl(json!(7.9)), Ok(Some(Duration::from_secs(7))));
    assert_eq!(ttl(json!(0.001)), Ok(Some(Duration::from_secs(1))));
    assert_eq!(ttl(json!(1e300)), Ok(Some(Duration::from_secs(u64::MAX))));
    assert_eq!(without("ttl").unwrap().time_to_live(), None);
    for malformed in [json!(0), json!(-1), json!("5"), json!(null), json!([5])] {
        assert_eq!(ttl(malformed), Err(TokenError::MalformedClaim("ttl").into()));
    }
}

#[test]
fn bits_are_one_of_four_numbers() {
    for malformed in [
        json!(0),
        json!(3),
        json!(16),
        json!(257),
        json!(-1),
        json!(1.0),
        json!("1"),
    ] {
        let verdict = with(
            "status_list",
            json!({"bits": malformed, "lst": encode(&zlib(&[0]))}),
        );
        assert_eq!(
            verdict,
            Err(TokenError::MalformedClaim("bits").into()),
            "{malformed}"
        );
    }
    let lst = json!({"lst": encode(&zlib(&[0]))});
    assert_eq!(
        with("status_list", lst),
        Err(TokenError::MissingClaim("bits").into())
    );
    let bits = json!({"bits": 1});
    assert_eq!(
        with("status_list", bits),
        Err(TokenError::MissingClaim("lst").into())
    );
    assert_eq!(
        without("status_list"),
        Err(TokenError::MissingClaim("status_list").into())
    );
    assert_eq!(
        with("status_list", json!([])),
        Err(TokenError::MalformedClaim("status_list").into())
    );
}

#[test]
fn a_list_is_packed_as_one_whole_zlib_stream() {
    let packed = zlib(&[1, 2, 3, 4]);
    let mut wrong_checksum = packed.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let raw_deflate = &packed[2..];
    let more = [&packed[..], b"\0"].concat();
    for bytes in [
        &packed[..packed.len() - 1],
        &wrong_checksum,
        raw_deflate,
        &more,
        b"",
        b"x",
    ] {
        let verdict = with("status_list", json!({"bits": 1, "lst": encode(bytes)}));
        let expected = if bytes.is_empty() {
            TokenError::MalformedClaim("lst").into()
        } else {
            InvalidStatusList::Packing
        };
        assert_eq!(verdict, Err(expected), "{bytes:?}");
    }
    for lst in [
        format!("{}=", encode(&packed)),
        "a+b/".to_owned(),
        "a b".to_owned(),
    ] {
        let verdict = with("status_list", json!({"bits": 1, "lst": lst}));
        assert_eq!(verdict, Err(InvalidStatusList::Packing), "{lst}");
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    let fits = encode(&zlib(&vec![0; EXPECTED.max_bytes]));
    assert!(with("status_list", json!({"bits": 1, "lst": fits})).is_ok());
    let bomb = encode(&zlib(&vec![0; 64 * 1024 * 1024]));
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let verdict = with("status_list", json!({"bits": 1, "lst": bomb}));
    assert_eq!(verdict, Err(InvalidStatusList::TooLarge));
}

#[test]
fn a_member_occurs_once() {
    let claims = TestStatusList::default().claims().to_string();
    let twice = claims.replacen('{', "{\"ttl\":1,", 1);
    assert_eq!(
        StatusList::parse(twice.as_bytes(), &EXPECTED, NOW),
        Err(TokenError::DuplicateMember.into())
    );
    for garbage in [&b""[..], b"[]", b"null", b"{", b"\xff"] {
        assert_eq!(
            StatusList::parse(garbage, &EXPECTED, NOW),
            Err(TokenError::Payload.into())
        );
    }
}

#[test]
fn only_a_signed_status_list_token_is_believed() {
    let (key, other) = (TestKey::es256("k1"), TestKey::es256("k1"));
    let keys = key_set(&[&key]);
    let verify = |token: &str| StatusList::verify(token, &keys, &EXPECTED, NOW);
    let claims = TestStatusList::default().claims();
    let header = |name: &str, value: Value| {
        let mut header = json!({"typ": "statuslist+jwt", "alg": "ES256", "kid": "k1"});
        header[name] = value;
        header
    };
    for typ in ["statuslist+jwt", "application/statuslist+jwt", "StatusList+JWT"] {
        assert!(
            verify(&key.sign(&header("typ", json!(typ)), &claims)).is_ok(),
            "{typ}"
        );
    }
    for (name, value, refused) in [
        ("typ", json!("at+jwt"), TokenError::Type),
        ("typ", json!("JWT"), TokenError::Type),
        ("typ", json!(null), TokenError::Type),
        ("alg", json!("none"), TokenError::Algorithm),
        ("alg", json!("HS256"), TokenError::Algorithm),
        ("kid", json!("k2"), TokenError::UnknownKey),
        ("crit", json!(["x"]), TokenError::CriticalExtension),
    ] {
        let token = key.sign(&header(name, value.clone()), &claims);
        assert_eq!(verify(&token), Err(refused.into()), "{name}: {value}");
    }
    let forged = other.sign(&header("kid", json!("k1")), &claims);
    assert_eq!(verify(&forged), Err(TokenError::Signature.into()));
    assert_eq!(verify("a.b"), Err(TokenError::Structure.into()));
    let long = "a".repeat(max_token_bytes(EXPECTED.max_bytes) + 1);
    assert_eq!(verify(&long), Err(InvalidStatusList::TooLarge));
}

#[test]
fn a_list_is_signed_as_the_tokens_may_be() {
    let (es256, ed25519) = (TestKey::es256("k1"), TestKey::ed25519("k2"));
    let keys = key_set(&[&es256, &ed25519]);
    let expected = ExpectedList {
        algorithms: &[Algorithm::EdDsa],
        ..EXPECTED
    };
    let verify = |key| StatusList::verify(&TestStatusList::default().sign(key), &keys, &expected, NOW);
    assert!(verify(&ed25519).is_ok());
    assert_eq!(
        verify(&es256).unwrap_err(),
        InvalidStatusList::Token(TokenError::Algorithm)
    );
}
