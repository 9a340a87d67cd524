//! RS-10 to RS-14: which algorithm and which key may have signed a token.

use serde_json::json;

use crate::harness::{Minter, Stage, refused};

/// As it comes from who has no key: with an empty signature, and with one that is good for the same bytes.
fn unsigned(minter: &Minter, alg: &str) -> [String; 2] {
    let signed = minter.headed("alg", json!(alg));
    let cut = format!("{}.", signed.rsplit_once('.').unwrap().0);
    [cut, signed]
}

async fn assert_unsigned_is_refused(alg: &str) {
    let stage = Stage::start().await;
    for token in unsigned(&stage.minter, alg) {
        stage.assert_refused(&token).await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn rs_10_1_alg_none() {
    assert_unsigned_is_refused("none").await;
}

#[tokio::test]
async fn rs_10_2_alg_none_with_a_capital() {
    assert_unsigned_is_refused("None").await;
}

#[tokio::test]
async fn rs_10_3_alg_none_in_capitals() {
    assert_unsigned_is_refused("NONE").await;
}

#[tokio::test]
async fn rs_10_4_alg_none_in_mixed_case() {
    assert_unsigned_is_refused("nOnE").await;
}

#[tokio::test]
async fn rs_10_5_alg_none_with_a_space() {
    assert_unsigned_is_refused("none ").await;
}

#[tokio::test]
async fn rs_10_6_an_empty_alg() {
    assert_unsigned_is_refused("").await;
}

refused! {
    fn rs_11_1_hs256_keyed_with_the_public_pem(minter) {
        minter.hs256(&minter.pem())
    }
    fn rs_11_2_hs256_keyed_with_the_public_jwk(minter) {
        minter.hs256(&minter.jwk().to_string())
    }
    fn rs_12_1_hs256_with_an_empty_key(minter) {
        minter.hs256("")
    }
    fn rs_12_2_hs256_with_the_key_secret(minter) {
        minter.hs256("secret")
    }
    fn rs_12_3_hs256_with_the_key_null(minter) {
        minter.hs256("null")
    }
    fn rs_12_4_hs256_with_the_key_undefined(minter) {
        minter.hs256("undefined")
    }
    fn rs_12_5_hs256_with_the_key_0(minter) {
        minter.hs256("0")
    }
    fn rs_13_1_es384_on_a_p256_key(minter) {
        minter.headed("alg", json!("ES384"))
    }
    fn rs_13_2_rs256_on_a_p256_key(minter) {
        minter.headed("alg", json!("RS256"))
    }
    fn rs_13_3_ps256_on_a_p256_key(minter) {
        minter.headed("alg", json!("PS256"))
    }
    fn rs_13_4_eddsa_on_a_p256_key(minter) {
        minter.headed("alg", json!("EdDSA"))
    }
    fn rs_13_5_es256k_on_a_p256_key(minter) {
        minter.headed("alg", json!("ES256K"))
    }
    fn rs_14_a_foreign_key_under_the_published_kid(minter) {
        let foreign = Minter::new(&minter.kid, minter.claims()["iss"].as_str().unwrap());
        foreign.good()
    }
}
