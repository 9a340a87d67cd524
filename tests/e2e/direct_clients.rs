//! Clients that are not browsers beside one that is: an app and services call the API that the BFF calls for its users.

mod audiences;
mod parties;

use e2e::browser::Browser;
use e2e::on_one_store;
use e2e::signer::Signer;
use e2e::stack::{Deployment, Stack};
use e2e::upstream::Upstream;
use e2e::wait::eventually;
use serde_json::{Value, json};

use self::parties::{
    ALL, App, Said, VERIFIER, assertion, claims_of, clients, read, text, token_by_secret, token_by_signature,
    write,
};

async fn start(deployment: Deployment) -> Stack {
    deployment
        .with_clients(&clients(&Signer::generate()))
        .start()
        .await
}

/// The access token that an API got last.
fn bearer_at(api: &Upstream) -> String {
    let header = api.last().header("authorization").remove(0);
    header.strip_prefix("Bearer ").unwrap().to_owned()
}

async fn a_person_has_the_same_notes_in_browser_and_app(deployment: Deployment) {
    let stack = start(deployment).await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (_, phone) = App::signed_in_as(&stack, "alice").await;
    let phone = text(&phone, "access_token");
    let (_, bobs) = App::signed_in_as(&stack, "bob").await;

    let note = json!({ "text": "from the laptop" });
    laptop
        .fetch("/api/notes")
        .post_json(&note)
        .await
        .assert_status(201);
    let of_bff = claims_of(&bearer_at(stack.upstream()));
    assert_eq!(
        write(stack.upstream(), &phone, "from the phone").await.status,
        201
    );

    let both = ["from the phone", "from the laptop"];
    assert_eq!(read(stack.upstream(), &phone).await.notes(), both);
    let seen = laptop.fetch("/api/notes").await.json();
    let seen = seen.as_array().unwrap().iter().map(|note| text(note, "text"));
    assert_eq!(seen.collect::<Vec<_>>(), both);
    let bobs = text(&bobs, "access_token");
    assert!(read(stack.upstream(), &bobs).await.notes().is_empty());

    // One person, two clients, two grants.
    let of_app = claims_of(&phone);
    assert_eq!(of_app["sub"], of_bff["sub"]);
    assert_eq!(
        (&of_app["client_id"], &of_bff["client_id"]),
        (&json!("app"), &json!("web"))
    );
}

/// RFC 7636 §4.6, RFC 6749 §4.1.3: a code is worth nothing to who only saw it pass.
async fn a_code_of_an_app_is_for_the_app_alone(deployment: Deployment) {
    let stack = start(deployment).await;
    let (app, other) = (
        App::new(&stack, "app", &stack.browser()),
        App::new(&stack, "reader", &stack.browser()),
    );
    for (thief, verifier) in [
        (&app, "a-verifier-that-somebody-guessed-0123456789abcdef"),
        (&other, VERIFIER),
    ] {
        let code = app.code("alice", ALL, &[]).await;
        assert_eq!(
            thief.redeem(&code, verifier, &[]).await,
            Err("invalid_grant".to_owned())
        );
    }
    let code = app.code("alice", ALL, &[]).await;
    app.redeem(&code, VERIFIER, &[]).await.unwrap();
}

async fn a_service_calls_in_its_own_name(deployment: Deployment) {
    let signer = Signer::generate();
    let stack = deployment.with_clients(&clients(&signer)).start().await;
    let alice = stack.browser_logged_in_as("alice").await;
    let note = json!({ "text": "for alice's eyes" });
    alice
        .fetch("/api/notes")
        .post_json(&note)
        .await
        .assert_status(201);

    let nightly = token_by_secret(&stack, &[]).await.unwrap();
    let once = assertion(&stack, &signer);
    let report = token_by_signature(&stack, &once).await.unwrap();
    for (client, tokens) in [("nightly", &nightly), ("report", &report)] {
        let claims = claims_of(&text(tokens, "access_token"));
        assert_eq!(
            (&claims["sub"], &claims["client_id"]),
            (&json!(client), &json!(client))
        );
        // There is no user, so there is nothing to refresh and nobody to sign out.
        assert_eq!(
            (&tokens["refresh_token"], &tokens["id_token"]),
            (&Value::Null, &Value::Null)
        );
    }

    let api = stack.upstream();
    assert_eq!(
        write(api, &text(&nightly, "access_token"), "of the night")
            .await
            .status,
        201
    );
    assert_eq!(
        read(api, &text(&nightly, "access_token")).await.notes(),
        ["of the night"]
    );
    assert!(read(api, &text(&report, "access_token")).await.notes().is_empty());
    let seen = alice.fetch("/api/notes").await.json();
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");

    // What it signed once is no key for whoever finds it.
    assert_eq!(
        token_by_signature(&stack, &once).await,
        Err("invalid_client".to_owned())
    );
    let stranger = assertion(&stack, &Signer::generate());
    assert_eq!(
        token_by_signature(&stack, &stranger).await,
        Err("invalid_client".to_owned())
    );
}

#[track_caller]
fn assert_lacks_scope(answer: &Said, scope: &str) {
    assert_eq!(answer.status, 403, "{answer:?}");
    let says = |part: String| assert!(answer.challenge.contains(&part), "{answer:?}");
    says("error=\"insufficient_scope\"".to_owned());
    says(format!("scope=\"{scope}\""));
}

async fn who_may_only_read_cannot_write(deployment: Deployment) {
    let signer = Signer::generate();
    let stack = deployment.with_clients(&clients(&signer)).start().await;
    let phone = stack.browser();
    let (app, reader) = (
        App::new(&stack, "app", &phone),
        App::new(&stack, "reader", &stack.browser()),
    );

    let asked_for_less = app
        .sign_in("alice", "offline_access notes:read", &[])
        .await
        .unwrap();
    // Less than it asks for: a page can show that, and the answer says so.
    let got_less = reader.sign_in("alice", ALL, &[]).await.unwrap();
    assert!(!text(&got_less, "scope").contains("notes:write"), "{got_less}");
    let service = token_by_signature(&stack, &assertion(&stack, &signer))
        .await
        .unwrap();
    for tokens in [&asked_for_less, &got_less, &service] {
        let token = text(tokens, "access_token");
        assert!(read(stack.upstream(), &token).await.notes().is_empty());
        assert_lacks_scope(&write(stack.upstream(), &token, "scribble").await, "notes:write");
    }

    // A refresh asks for less too, and never for more.
    let (writer, tokens) = App::signed_in_as(&stack, "alice").await;
    let refreshed = writer
        .refresh(&text(&tokens, "refresh_token"), &[("scope", "notes:read")])
        .await;
    let refreshed = refreshed.unwrap();
    let token = text(&refreshed, "access_token");
    assert_lacks_scope(&write(stack.upstream(), &token, "scribble").await, "notes:write");
    let narrow = text(&asked_for_less, "refresh_token");
    let more = app.refresh(&narrow, &[("scope", "notes:write")]).await;
    assert_eq!(more, Err("invalid_scope".to_owned()));
}

async fn a_replayed_refresh_token_ends_the_app_and_nobody_else(deployment: Deployment) {
    let stack = start(deployment).await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (app, tokens) = App::signed_in_as(&stack, "alice").await;
    let (other, of_other) = App::signed_in_as(&stack, "alice").await;

    let mut line = vec![text(&tokens, "refresh_token")];
    for _ in 0..3 {
        let next = app.refresh(line.last().unwrap(), &[]).await.unwrap();
        assert_eq!(
            read(stack.upstream(), &text(&next, "access_token")).await.status,
            200
        );
        let next = text(&next, "refresh_token");
        assert!(!line.contains(&next), "each is used once");
        line.push(next);
    }
    let refused = Err("invalid_grant".to_owned());
    assert_eq!(app.refresh(&line[0], &[]).await, refused, "somebody has a copy");
    assert_eq!(app.refresh(&line[3], &[]).await, refused, "and nobody knows who");

    other
        .refresh(&text(&of_other, "refresh_token"), &[])
        .await
        .unwrap();
    stack.let_access_tokens_expire().await;
    laptop.fetch("/api/notes").await.assert_status(200);
}

async fn browser_and_app_sign_out_each_for_itself(deployment: Deployment) {
    let stack = deployment.and_back_channel();
    let stack = start(stack).await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (first, of_first) = App::signed_in_as(&stack, "alice").await;
    let (second, of_second) = App::signed_in_as(&stack, "alice").await;

    first.sign_out(&text(&of_first, "refresh_token")).await;
    let refused = first.refresh(&text(&of_first, "refresh_token"), &[]).await;
    assert_eq!(refused, Err("invalid_grant".to_owned()));
    stack.let_access_tokens_expire().await;
    laptop.fetch("/api/notes").await.assert_status(200);

    sign_out(&laptop, "sign out").await;
    laptop.fetch("/api/notes").await.assert_status(401);
    let tokens = second
        .refresh(&text(&of_second, "refresh_token"), &[])
        .await
        .unwrap();
    assert_eq!(
        read(stack.upstream(), &text(&tokens, "access_token"))
            .await
            .status,
        200
    );
}

/// Signs out as a page of the app does, and says at the provider how far.
async fn sign_out(browser: &Browser, answer: &str) {
    let claims = crate::claims(&browser.fetch("/bff/user").await);
    let question = browser.follow(claims["bff:logout_url"].as_str().unwrap()).await;
    let form = question
        .forms()
        .into_iter()
        .next()
        .expect("the provider asks first");
    browser.submit(&question, &form, &[answer]).await;
}

/// What shares a sign-in ends with it: the app asked the browser that alice had signed in with.
async fn an_app_that_used_the_browsers_sign_in_ends_with_it(deployment: Deployment) {
    let stack = start(deployment).await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let app = App::new(&stack, "app", &laptop);
    let tokens = app.sign_in("alice", ALL, &[]).await.unwrap();

    // The other way round the app's end is the app's alone.
    let neighbour = App::new(&stack, "app", &laptop);
    let of_neighbour = neighbour.sign_in("alice", ALL, &[]).await.unwrap();
    neighbour.sign_out(&text(&of_neighbour, "refresh_token")).await;
    let tokens = app.refresh(&text(&tokens, "refresh_token"), &[]).await.unwrap();
    laptop.fetch("/api/notes").await.assert_status(200);

    sign_out(&laptop, "sign out").await;
    let refused = app.refresh(&text(&tokens, "refresh_token"), &[]).await;
    assert_eq!(refused, Err("invalid_grant".to_owned()));
}

async fn signing_out_everywhere_ends_browser_and_app(deployment: Deployment) {
    let stack = start(deployment.and_back_channel()).await;
    let (laptop, tablet) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );
    let bobs = stack.browser_logged_in_as("bob").await;
    let (app, tokens) = App::signed_in_as(&stack, "alice").await;
    let (of_bob, bobs_tokens) = App::signed_in_as(&stack, "bob").await;

    sign_out(&tablet, "everywhere").await;

    let refused = app.refresh(&text(&tokens, "refresh_token"), &[]).await;
    assert_eq!(refused, Err("invalid_grant".to_owned()));
    eventually("the BFF has heard of it", async || {
        (laptop.fetch("/bff/user").await.status == 401).then_some(())
    })
    .await;
    bobs.fetch("/api/notes").await.assert_status(200);
    of_bob
        .refresh(&text(&bobs_tokens, "refresh_token"), &[])
        .await
        .unwrap();
}

on_one_store!(
    a_person_has_the_same_notes_in_browser_and_app,
    a_code_of_an_app_is_for_the_app_alone,
    a_service_calls_in_its_own_name,
    who_may_only_read_cannot_write,
    a_replayed_refresh_token_ends_the_app_and_nobody_else,
    browser_and_app_sign_out_each_for_itself,
    an_app_that_used_the_browsers_sign_in_ends_with_it,
    signing_out_everywhere_ends_browser_and_app,
);
