//! Spring Security as an API that takes the tokens of our auth server. `make interop-java` builds it first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

use std::path::Path;
use std::time::Duration;

use e2e::leash::{Leashed, assert_installed};
use e2e::misfits::{AUDIENCE, Misfits, client};
use e2e::story;
use tokio::time::timeout;

/// A machine that has other things to do starts it in half a minute.
const PATIENCE: Duration = Duration::from_secs(300);

struct SpringApi {
    url: String,
    _process: Leashed,
}

impl SpringApi {
    async fn start(issuer: &str, profile: &[&str]) -> Self {
        let jar = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/apis/spring/target/notes-api.jar");
        assert!(
            jar.is_file(),
            "{} is missing: run `make interop-java`",
            jar.display()
        );
        assert_installed("java");
        let mut words = vec![
            "-jar".to_owned(),
            jar.display().to_string(),
            "--server.port=0".to_owned(),
            "--server.address=127.0.0.1".to_owned(),
            format!("--issuer={issuer}"),
            format!("--audience={AUDIENCE}"),
        ];
        words.extend(profile.iter().map(|word| (*word).to_owned()));
        let is_ready = |line: &str| line.contains("Tomcat started on port ");
        let started = timeout(PATIENCE, Leashed::start("java", &words, is_ready));
        let (process, printed) = started
            .await
            .expect("it starts in time")
            .unwrap_or_else(|printed| panic!("it did not start:\n{printed}"));
        let (_, rest) = printed.rsplit_once("Tomcat started on port ").expect("a port");
        let port = rest.split_whitespace().next().expect("a port");
        Self {
            url: format!("http://127.0.0.1:{port}"),
            _process: process,
        }
    }
}

#[test]
fn spring_keeps_the_rules() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let api = SpringApi::start(misfits.issuer(), &[]).await;
        assert_eq!(misfits.misjudged_by(&api.url).await, [""; 0]);
        let bare = client().get(format!("{}/notes", api.url)).send().await.unwrap();
        assert_eq!(
            (bare.status().as_u16(), &bare.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        let (fetches, statuses) = misfits.flood(&api.url, "at+jwt", 300).await;
        assert!(fetches <= 2, "{fetches}");
        assert_eq!(statuses, [401]);

        misfits.lose_the_keys();
        let api = SpringApi::start(misfits.issuer(), &[]).await;
        misfits.assert_unavailable(&api.url).await;
    });
}

/// What the page says of its defaults.
#[test]
fn spring_by_its_defaults_takes_no_access_token_of_ours() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let defaults = [
            "--spring.profiles.active=defaults".to_owned(),
            format!(
                "--spring.security.oauth2.resourceserver.jwt.issuer-uri={}",
                misfits.issuer()
            ),
        ];
        let words: Vec<&str> = defaults.iter().map(String::as_str).collect();
        let api = SpringApi::start(misfits.issuer(), &words).await;
        let misjudged = misfits.misjudged_by(&api.url).await;
        let wrong_way_round = [
            "the access token of a login",
            "the access token of a service that may only read",
            "the ID token of that login",
            "a good one of the tests' own key",
            "typed as an ID token",
            "without a type",
        ];
        assert_eq!(misjudged, wrong_way_round);
        assert_eq!(misfits.flood(&api.url, "JWT", 30).await, (30, vec![401]));
    });
}
