//! RS-8 and RS-9: what is not a compact JWS in its one canonical form.

use serde_json::json;

use crate::harness::{decode, encode, refused};

refused! {
    fn rs_8_1_one_part(minter) {
        let [header, ..] = minter.parts();
        header
    }
    fn rs_8_2_two_parts(minter) {
        let [header, claims, _] = minter.parts();
        format!("{header}.{claims}")
    }
    fn rs_8_3_an_empty_signature(minter) {
        let [header, claims, _] = minter.parts();
        format!("{header}.{claims}.")
    }
    fn rs_8_4_four_parts(minter) {
        let [header, claims, signature] = minter.parts();
        format!("{header}.{claims}.{signature}.{signature}")
    }
    fn rs_8_5_five_parts(minter) {
        let [header, claims, signature] = minter.parts();
        format!("{header}.{claims}.{signature}.{claims}.{signature}")
    }
    fn rs_8_6_padded_base64(minter) {
        // Signed as it stands, so that nothing but the padding is wrong.
        let claims = encode(minter.claims().to_string().as_bytes());
        let padding = "=".repeat((4 - claims.len() % 4) % 4).replace("===", "=");
        let padding = if padding.is_empty() { "=" } else { &padding };
        let header = encode(minter.header().to_string().as_bytes());
        minter.sign_parts(&header, &format!("{claims}{padding}"))
    }
    fn rs_8_7_the_alphabet_of_plain_base64(minter) {
        // "~~~" and "???" encode to the characters in which the alphabets differ.
        let header = minter.header_with("x", json!("~~~???~~~???")).to_string();
        let plain = encode(header.as_bytes()).replace('-', "+").replace('_', "/");
        assert!(plain.contains(['+', '/']));
        minter.sign_parts(&plain, &encode(minter.claims().to_string().as_bytes()))
    }
    fn rs_8_8_a_header_that_is_no_json(minter) {
        minter.sign(&"not json", &minter.claims())
    }
    fn rs_8_9_a_header_that_is_an_array(minter) {
        minter.sign(&json!([minter.header()]), &minter.claims())
    }
    fn rs_8_10_a_header_that_is_null(minter) {
        minter.sign(&"null", &minter.claims())
    }
    fn rs_8_11_claims_that_are_no_json(minter) {
        minter.sign(&minter.header(), &"not json")
    }
    fn rs_8_12_nul_in_the_header(minter) {
        minter.sign(&format!("{}\0", minter.header()), &minter.claims())
    }
    fn rs_8_13_deep_nesting(minter) {
        let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
        let claims = minter.claims().to_string().replacen('{', &format!("{{\"x\":{nested},"), 1);
        minter.sign(&minter.header(), &claims)
    }
    fn rs_8_14_alg_twice(minter) {
        let header = minter.header().to_string().replacen('{', "{\"alg\":\"ES256\",", 1);
        minter.sign(&header, &minter.claims())
    }
    fn rs_8_15_a_header_that_is_no_utf_8(minter) {
        let header = minter.header_with("x", json!("y")).to_string().into_bytes();
        let at = header.iter().position(|&byte| byte == b'y').unwrap();
        let mut spoiled = header;
        spoiled[at] = 0xff;
        minter.sign_bytes(&spoiled, minter.claims().to_string().as_bytes())
    }
    fn rs_8_16_claims_of_another_token(minter) {
        let [header, _, signature] = minter.parts();
        let claims = minter.claims_with("sub", json!("mallory")).to_string();
        format!("{header}.{}.{signature}", encode(claims.as_bytes()))
    }
    fn rs_8_17_a_truncated_signature(minter) {
        let [header, claims, signature] = minter.parts();
        format!("{header}.{claims}.{}", &signature[..signature.len() - 4])
    }
    fn rs_8_18_a_signature_of_zeros(minter) {
        let [header, claims, _] = minter.parts();
        format!("{header}.{claims}.{}", encode(&[0; 64]))
    }
    fn rs_8_19_a_flipped_bit(minter) {
        let [header, claims, signature] = minter.parts();
        let mut bytes = decode(&signature);
        bytes[40] ^= 0x04;
        format!("{header}.{claims}.{}", encode(&bytes))
    }
    fn rs_8_20_dots_only(_minter) {
        "..".to_owned()
    }
    fn rs_8_21_a_token_of_100_kb(minter) {
        let token = minter.claiming("pad", json!("x".repeat(75_000)));
        assert!(token.len() > 100_000);
        token
    }
    fn rs_9_an_ecdsa_signature_in_der_form(minter) {
        let [header, claims, signature] = minter.parts();
        let raw = decode(&signature);
        // A leading zero keeps each number positive, whatever its first bit.
        let number = |half: &[u8]| [&[0x02, 33, 0], half].concat();
        let numbers = [number(&raw[..32]), number(&raw[32..])].concat();
        let der = [&[0x30, u8::try_from(numbers.len()).unwrap()], numbers.as_slice()].concat();
        format!("{header}.{claims}.{}", encode(&der))
    }
}
