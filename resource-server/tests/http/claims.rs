//! RS-19: what the claims of a token may say.

use serde_json::{Value, json};

use crate::harness::{AUDIENCE, NOW, Stage, accepted, refused};

/// This many seconds from now, or ago.
fn seconds(offset: i64) -> Value {
    json!(NOW.as_secs() + offset)
}

/// The leeway of the service, which its configuration leaves at its default.
const LEEWAY: i64 = 5;

accepted! {
    fn rs_19_1_exp_just_inside_the_leeway(minter) {
        minter.claiming("exp", seconds(1 - LEEWAY))
    }
    fn rs_19_19_aud_an_array_with_us(minter) {
        minter.claiming("aud", json!(["https://other.example", AUDIENCE]))
    }
}

refused! {
    fn rs_19_2_exp_beyond_the_leeway(minter) {
        minter.claiming("exp", seconds(-LEEWAY))
    }
    fn rs_19_3_exp_missing(minter) {
        minter.claiming("exp", None)
    }
    fn rs_19_4_exp_as_a_text(minter) {
        minter.claiming("exp", json!((NOW.as_secs() + 300).to_string()))
    }
    fn rs_19_5_exp_negative(minter) {
        minter.claiming("exp", json!(-1))
    }
    fn rs_19_6_exp_true(minter) {
        minter.claiming("exp", json!(true))
    }
    fn rs_19_7_exp_beyond_all_numbers(minter) {
        let good = minter.claims()["exp"].to_string();
        let claims = minter.claims().to_string().replace(&good, "1e400");
        assert!(claims.contains("1e400"));
        minter.sign(&minter.header(), &claims)
    }
    fn rs_19_8_nbf_in_the_future(minter) {
        minter.claiming("nbf", seconds(LEEWAY + 1))
    }
    fn rs_19_9_nbf_as_a_text(minter) {
        minter.claiming("nbf", json!((NOW.as_secs() - 10).to_string()))
    }
    fn rs_19_10_iss_wrong(minter) {
        minter.claiming("iss", json!("https://other.example"))
    }
    fn rs_19_11_iss_with_a_slash(minter) {
        minter.claiming("iss", json!(format!("{}/", minter.claims()["iss"].as_str().unwrap())))
    }
    fn rs_19_12_iss_missing(minter) {
        minter.claiming("iss", None)
    }
    fn rs_19_13_iss_an_array(minter) {
        minter.claiming("iss", json!([minter.claims()["iss"]]))
    }
    fn rs_19_14_aud_wrong(minter) {
        minter.claiming("aud", json!("https://other.example"))
    }
    fn rs_19_15_aud_missing(minter) {
        minter.claiming("aud", None)
    }
    fn rs_19_16_aud_longer_than_ours(minter) {
        minter.claiming("aud", json!(format!("{AUDIENCE}.evil")))
    }
    fn rs_19_17_aud_the_beginning_of_ours(minter) {
        minter.claiming("aud", json!(AUDIENCE[..AUDIENCE.len() - 1]))
    }
    fn rs_19_18_aud_an_empty_array(minter) {
        minter.claiming("aud", json!([]))
    }
    fn rs_19_20_aud_a_nested_array(minter) {
        minter.claiming("aud", json!([[AUDIENCE]]))
    }
    fn rs_19_21_aud_an_object(minter) {
        minter.claiming("aud", json!({"0": AUDIENCE}))
    }
    fn rs_19_22_scope_an_array(minter) {
        minter.claiming("scope", json!(["notes:read"]))
    }
    fn rs_19_25_sub_missing(minter) {
        minter.claiming("sub", None)
    }
    fn rs_19_26_iat_in_the_far_future(minter) {
        minter.sign(&minter.header(), &{
            let mut claims = minter.claims_with("iat", seconds(7 * 86_400));
            claims["exp"] = seconds(8 * 86_400);
            claims
        })
    }
    fn rs_19_27_jti_missing(minter) {
        minter.claiming("jti", None)
    }
    fn rs_19_28_client_id_missing(minter) {
        minter.claiming("client_id", None)
    }
}

#[tokio::test]
async fn rs_19_23_a_scope_that_only_begins_like_ours() {
    let stage = Stage::start().await;
    let token = stage
        .minter
        .claiming("scope", json!("notes:readonly xnotes:read"));
    stage.get(&token).await.assert_lacks_scope("notes:read");
    stage.stop().await;
}

#[tokio::test]
async fn rs_19_24_scope_missing() {
    let stage = Stage::start().await;
    let token = stage.minter.claiming("scope", None);
    stage.get(&token).await.assert_lacks_scope("notes:read");
    stage.stop().await;
}
