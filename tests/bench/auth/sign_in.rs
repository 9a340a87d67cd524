//! Signing in for real: one password, and a code for each grant.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::browser::Browser;
use e2e::secrets::Secrets;
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use url::Url;

use crate::contender::{CALLBACK, CLIENT_ID, Contender, PASSWORD, SCOPES, USER};
use crate::grants::Chain;
use crate::load::Client;

const VERIFIER: &str = "a-code-verifier-of-the-bench-with-43-characters";

/// So many grants of one user, each with its refresh token.
pub(crate) async fn grants(contender: &Contender, number: usize) -> Vec<Chain> {
    // Nothing of ours is there: what answers of an app may hold is the business of other tests.
    let nowhere = Url::parse("http://localhost:1/").expect("an address");
    let clock = ManualClock::new(SystemClock.now());
    let browser = Browser::new(nowhere, None, clock, Secrets::default());
    let request = authorization_request(contender);
    let page = browser.visit(&request).await;
    let form = page
        .sign_in_form()
        .unwrap_or_else(|| panic!("no sign-in form: {}", page.summary()));
    let first = browser
        .submit_until_callback(&page, &form.fill_in(USER, PASSWORD), &[])
        .await;
    let client = Client::new(contender);
    let mut chains = vec![exchange(&client, &first).await];
    while chains.len() < number {
        let callback = browser.visit_until_callback(&request).await;
        chains.push(exchange(&client, &callback).await);
    }
    chains
}

pub(crate) fn authorization_request(contender: &Contender) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut url = Url::parse(&contender.authorization_endpoint).expect("an address");
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("scope", SCOPES)
        .append_pair("state", "s")
        .append_pair("nonce", "n")
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    url.into()
}

async fn exchange(client: &Client, callback: &Url) -> Chain {
    let code = callback.query_pairs().find(|(name, _)| name == "code");
    let (_, code) = code.unwrap_or_else(|| panic!("no code: {:?}", callback.query()));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_ref()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    Chain::of(client.ask(&form).await)
}
