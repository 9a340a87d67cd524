//! RS-15 to RS-18 and RS-20: what else a header may say.

use serde_json::{Value, json};

use crate::harness::{Issuer, Stage, accepted, encode, refused};

/// A token of a foreign key that brings the key along, under its own name and under the published one.
async fn assert_does_not_bring_its_key(name: &str, value: impl Fn(&Value) -> Value) {
    let stage = Stage::start().await;
    let foreign = stage.other_minter("foreign");
    let mut header = foreign.header_with(name, value(&foreign.jwk()));
    for kid in ["foreign", "k1"] {
        header["kid"] = json!(kid);
        stage
            .assert_refused(&foreign.sign(&header, &foreign.claims()))
            .await;
    }
    // A key of ours is not made worse by it either: it is not looked at.
    let token = stage.minter.headed(name, value(&foreign.jwk()));
    stage.get(&token).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_15_1_an_embedded_jwk() {
    assert_does_not_bring_its_key("jwk", Value::clone).await;
}

#[tokio::test]
async fn rs_15_2_a_jku() {
    assert_does_not_bring_its_key("jku", |_| json!("http://127.0.0.1:9/jwks")).await;
}

#[tokio::test]
async fn rs_15_3_an_x5u() {
    assert_does_not_bring_its_key("x5u", |_| json!("http://127.0.0.1:9/chain.pem")).await;
}

#[tokio::test]
async fn rs_15_4_addresses_in_a_header_are_not_visited() {
    let stage = Stage::start().await;
    let evil = Issuer::start().await;
    let foreign = stage.other_minter("foreign");
    evil.publish(&[&foreign]);
    for name in ["jku", "x5u"] {
        for place in [&evil.url, &stage.issuer.url] {
            let address = format!("{place}/of-the-token");
            stage
                .get(&foreign.headed(name, json!(address)))
                .await
                .assert_invalid_token();
            stage
                .get(&foreign.headed(name, json!(format!("{}/jwks", evil.url))))
                .await
                .assert_invalid_token();
        }
    }
    assert_eq!((evil.visits(), evil.strays()), (0, Vec::new()));
    assert_eq!(stage.issuer.strays(), Vec::<String>::new());
    evil.stop().await;
    stage.stop().await;
}

refused! {
    fn rs_16_1_kid_of_a_path_upwards(minter) {
        minter.headed("kid", json!("../../../../dev/null"))
    }
    fn rs_16_2_kid_of_a_path(minter) {
        minter.headed("kid", json!("/dev/null"))
    }
    fn rs_16_3_kid_of_sql(minter) {
        minter.headed("kid", json!("x' UNION SELECT 'a' -- "))
    }
    fn rs_16_4_kid_of_an_address(minter) {
        minter.headed("kid", json!("http://127.0.0.1/"))
    }
    fn rs_16_5_kid_of_nul(minter) {
        minter.headed("kid", json!("\u{0}"))
    }
    fn rs_16_6_kid_that_is_very_long(minter) {
        minter.headed("kid", json!("a".repeat(8_000)))
    }
    fn rs_16_7_kid_of_a_command(minter) {
        minter.headed("kid", json!("|id"))
    }
    fn rs_16_8_kid_of_a_template(minter) {
        minter.headed("kid", json!("{{7*7}}"))
    }
    fn rs_16_9_kid_that_is_empty(minter) {
        minter.headed("kid", json!(""))
    }
    fn rs_17_a_valid_signature_without_kid(minter) {
        minter.headed("kid", None)
    }
    fn rs_18_1_an_unknown_crit(minter) {
        minter.headed("crit", json!(["urn:example:unknown"]))
    }
    fn rs_18_2_b64_false(minter) {
        let mut header = minter.header_with("b64", json!(false));
        header["crit"] = json!(["b64"]);
        // RFC 7797 §5.2: without dots, so that the form is still the compact one.
        let claims = minter.claims().to_string().replace('.', "\\u002e").replace('"', "'");
        minter.sign_parts(&encode(header.to_string().as_bytes()), &claims)
    }
    fn rs_18_3_b64_false_with_encoded_claims(minter) {
        let mut header = minter.header_with("b64", json!(false));
        header["crit"] = json!(["b64"]);
        minter.sign(&header, &minter.claims())
    }
    fn rs_20_4_typ_jwt(minter) {
        minter.headed("typ", json!("JWT"))
    }
    fn rs_20_5_typ_null(minter) {
        minter.headed("typ", Value::Null)
    }
    fn rs_20_6_typ_logout_jwt(minter) {
        minter.headed("typ", json!("logout+jwt"))
    }
    fn rs_20_7_typ_dpop_jwt(minter) {
        minter.headed("typ", json!("dpop+jwt"))
    }
    fn rs_20_8_typ_with_a_space(minter) {
        minter.headed("typ", json!("at+jwt "))
    }
    fn rs_20_9_typ_in_an_array(minter) {
        minter.headed("typ", json!(["at+jwt"]))
    }
    fn rs_20_10_no_typ(minter) {
        minter.headed("typ", None)
    }
}

accepted! {
    fn rs_20_1_typ_at_jwt(minter) {
        minter.headed("typ", json!("at+jwt"))
    }
    fn rs_20_2_typ_in_full(minter) {
        minter.headed("typ", json!("application/at+jwt"))
    }
    fn rs_20_3_typ_in_capitals(minter) {
        minter.headed("typ", json!("AT+JWT"))
    }
}
