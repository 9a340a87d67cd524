//! RS-8 and RS-9: what is not a compact JWS in its one canonical form.

use super::judge;
use crate::error::TokenError;
use crate::test_support::{TestKey, encode, good_claims};
use crate::verifier::MAX_TOKEN_BYTES;

fn good_token(key: &TestKey) -> String {
    key.access_token(&good_claims())
}

#[test]
fn a_token_has_exactly_three_parts() {
    let key = TestKey::es256("k1");
    let token = good_token(&key);
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);

    for bad in [
        String::new(),
        "eyJhbGc".to_owned(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{header}.{claims}.{claims}.{signature}"),
        "..".to_owned(),
        ".".repeat(10_000),
    ] {
        assert_eq!(judge(&key, &bad).unwrap_err(), TokenError::Structure, "{bad:?}");
    }
}

#[test]
fn base64url_is_read_strictly() {
    let key = TestKey::es256("k1");
    let header = encode(key.header().to_string().as_bytes());
    let claims = encode(good_claims().to_string().as_bytes());

    // Signed as they stand, so that nothing but the encoding is wrong.
    for (header, claims) in [
        (format!("{header}="), claims.clone()),
        (header.clone(), format!("{claims}==")),
        (format!(" {header}"), claims.clone()),
        (format!("{header}\n"), claims.clone()),
        (header.clone(), format!("{claims}+")),
        (header.clone(), format!("{claims}/")),
    ] {
        let token = key.sign_parts(&header, &claims, "ES256");
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::Structure,
            "{token:?}"
        );
    }
}

#[test]
fn a_part_has_one_spelling_only() {
    let key = TestKey::es256("k1");
    // One byte takes two characters, of which the second has four bits that nothing reads.
    let header = format!("{}  ", key.header());
    let header = encode(&header.as_bytes()[..header.len() - (header.len() + 2) % 3]);
    assert_eq!(header.len() % 4, 2, "the last character has unused bits");
    let claims = encode(good_claims().to_string().as_bytes());
    assert!(judge(&key, &key.sign_parts(&header, &claims, "ES256")).is_ok());

    let last = header.chars().last().unwrap();
    let sibling = char::from(last as u8 + 1);
    let respelled = format!("{}{sibling}", &header[..header.len() - 1]);
    let token = key.sign_parts(&respelled, &claims, "ES256");
    assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Structure);
}

#[test]
fn the_alphabet_of_plain_base64_is_refused() {
    let key = TestKey::es256("k1");
    let claims = encode(good_claims().to_string().as_bytes());
    // "~~~" and "???" encode to the two characters in which the alphabets differ.
    let header = encode(
        key.header_with("x", serde_json::json!("~~~???~~~???"))
            .to_string()
            .as_bytes(),
    );
    assert!(header.contains(['-', '_']), "the header shows the difference");
    assert!(judge(&key, &key.sign_parts(&header, &claims, "ES256")).is_ok());

    let header = header.replace('-', "+").replace('_', "/");
    let token = key.sign_parts(&header, &claims, "ES256");
    assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Structure);
}

#[test]
fn the_header_is_a_json_object() {
    let key = TestKey::es256("k1");
    let claims = encode(good_claims().to_string().as_bytes());
    let nested = format!(
        "{{\"alg\":\"ES256\",\"x\":{}{}}}",
        "[".repeat(200),
        "]".repeat(200)
    );

    for header in [
        &b"not json"[..],
        b"[]",
        b"null",
        b"\"ES256\"",
        b"7",
        b"{}{}",
        b"{\"alg\":\"ES256\"",
        b"{\"alg\":\"ES256\"}\0",
        b"{\"alg\":\"ES\x00256\"}",
        b"{\"alg\":\"ES256\",\"x\":\"\xff\xfe\"}",
        b"{\"alg\":\"ES256\",\"x\":1e400}",
        nested.as_bytes(),
    ] {
        let token = key.sign_parts(&encode(header), &claims, "ES256");
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::Header,
            "{}",
            header.escape_ascii()
        );
    }
}

#[test]
fn the_claims_are_a_json_object() {
    let key = TestKey::es256("k1");
    let header = encode(key.header().to_string().as_bytes());

    for claims in [
        &b"not json"[..],
        b"[]",
        b"null",
        b"\"alice\"",
        b"{}{}",
        b"{\"exp\":1e400}",
        b"\xff",
    ] {
        let token = key.sign_parts(&header, &encode(claims), "ES256");
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::Payload,
            "{}",
            claims.escape_ascii()
        );
    }
}

#[test]
fn a_name_that_occurs_twice_is_refused_even_if_the_values_agree() {
    let key = TestKey::es256("k1");
    let (header, claims) = (key.header().to_string(), good_claims().to_string());
    let with = |json: &str, member: &str| json.replacen('{', &format!("{{{member},"), 1);

    for (header, claims) in [
        (with(&header, "\"alg\":\"none\""), claims.clone()),
        (with(&header, "\"alg\":\"ES256\""), claims.clone()),
        (with(&header, "\"\\u0061lg\":\"ES256\""), claims.clone()),
        (header.clone(), with(&claims, "\"sub\":\"mallory\"")),
        (header.clone(), with(&claims, "\"sub\":\"alice\"")),
        (header.clone(), with(&claims, "\"aud\":\"https://other.example\"")),
    ] {
        let token = key.sign_text(&header, &claims);
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::DuplicateMember,
            "{header} {claims}"
        );
    }
}

#[test]
fn a_signature_covers_the_claims_it_came_with() {
    let key = TestKey::es256("k1");
    let (one, other) = (
        good_token(&key),
        key.access_token(&crate::test_support::claims_with(
            "sub",
            serde_json::json!("mallory"),
        )),
    );
    let signature = one.rsplit('.').next().unwrap();
    let swapped = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);

    assert_eq!(judge(&key, &swapped).unwrap_err(), TokenError::Signature);
}

#[test]
fn a_signature_that_was_changed_is_refused() {
    let key = TestKey::es256("k1");
    let token = good_token(&key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };

    for bad in [
        format!("{flipped}{}", &signature[1..]),
        signature[..signature.len() - 2].to_owned(),
        format!("{signature}AA"),
        "AA".to_owned(),
        "!".to_owned(),
        format!("{signature}=="),
    ] {
        let token = format!("{signed}.{bad}");
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Signature, "{bad}");
    }
}

// CVE-2022-21449
#[test]
fn a_signature_of_zeros_is_refused() {
    for (key, bytes) in [
        (TestKey::es256("k1"), 64),
        (TestKey::es384("k1"), 96),
        (TestKey::ed25519("k1"), 64),
    ] {
        let token = good_token(&key);
        let token = format!(
            "{}.{}",
            token.rsplit_once('.').unwrap().0,
            encode(&vec![0; bytes])
        );
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Signature);
    }
}

// RS-9
#[test]
fn an_ecdsa_signature_in_der_form_is_refused() {
    let key = TestKey::es256("k1");
    let token = good_token(&key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).unwrap();
    let integer = |half: &[u8]| {
        // A leading zero keeps the number positive, whatever its first bit.
        [&[0x02, 33, 0], half].concat()
    };
    let numbers = [integer(&raw[..32]), integer(&raw[32..])].concat();
    let der = [&[0x30, u8::try_from(numbers.len()).unwrap()], numbers.as_slice()].concat();

    let token = format!("{signed}.{}", encode(&der));
    assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Signature);
}

#[test]
fn a_token_that_is_too_large_is_not_looked_at() {
    let key = TestKey::es256("k1");
    let token_of = |padding: usize| {
        key.access_token(&crate::test_support::claims_with(
            "pad",
            serde_json::json!("x".repeat(padding)),
        ))
    };
    let fitting = token_of(10_000);
    assert!(fitting.len() <= MAX_TOKEN_BYTES);
    assert!(judge(&key, &fitting).is_ok());

    let large = token_of(75_000);
    assert!(large.len() > 100_000);
    assert_eq!(judge(&key, &large).unwrap_err(), TokenError::TooLarge);
    assert_eq!(
        judge(&key, &"a".repeat(MAX_TOKEN_BYTES + 1)).unwrap_err(),
        TokenError::TooLarge
    );
    assert_eq!(
        judge(&key, &"a".repeat(MAX_TOKEN_BYTES)).unwrap_err(),
        TokenError::Structure
    );
}
