//! Debian's mod_auth_openidc as a relying party of our server.

use std::fs;
use std::path::Path;

use e2e::apache::{self, RelyingParty, readable_for_workers};
use e2e::auth::{AuthServer, CLIENT_SECRET, PASSWORD, USER};
use e2e::browser::{Answer, Browser};
use e2e::leash::{Leashed, start_on_free_port};
use e2e::redis::free_port;
use e2e::story;
use e2e::wait::eventually;
use tempfile::TempDir;

/// An Apache with pages that only users may see, and where they sign in.
struct Site {
    app: String,
    server: AuthServer,
    _apache: Leashed,
    _folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        let (port, apache, (folder, server)) = start_on_free_port(apache::is_ready, async |port| {
            let app = format!("http://localhost:{port}");
            let server = super::auth_server(&client(&app)).await;
            let folder = TempDir::new().expect("a temporary folder");
            readable_for_workers(folder.path());
            fs::copy(server.authority_file(), folder.path().join("ca.pem")).expect("a certificate");
            let file = folder.path().join("apache.conf");
            fs::write(&file, configuration(port, folder.path(), &app, server.issuer())).expect("a file");
            let mut words = vec![apache::PROGRAM.to_owned()];
            words.extend(apache::arguments(&file));
            (words, (folder, server))
        })
        .await;
        Self {
            app: format!("http://localhost:{port}"),
            server,
            _apache: apache,
            _folder: folder,
        }
    }

    /// What the site shows at a path to somebody who signs in when asked to.
    async fn page(&self, browser: &Browser, path: &str) -> Answer {
        let address = format!("{}{path}", self.app);
        // Nothing is at that port, so the browser stops at a page.
        let nowhere = format!("http://localhost:{}/", free_port());
        let errand = browser.run_errand(&address, (USER, PASSWORD), &nowhere).await;
        *errand.expect_err("nobody is led to an address that was not named")
    }
}

fn client(app: &str) -> String {
    format!(
        r#"
[outbound]
allowed_networks = ["127.0.0.0/8"]
[[client]]
id = "apache"
secret_env = "CLIENT_SECRET"
redirect_uris = ["{app}/callback"]
post_logout_redirect_uris = ["{app}/public.txt"]
backchannel_logout_uri = "{app}/callback?logout=backchannel"
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access"]
"#
    )
}

fn configuration(port: u16, folder: &Path, app: &str, issuer: &str) -> String {
    let files = folder.join("files");
    fs::create_dir_all(files.join("members")).expect("a folder");
    fs::write(files.join("public.txt"), "for everybody").expect("a file");
    fs::write(files.join("members/page.txt"), "for members").expect("a file");
    let lines = format!(
        r#"ServerLimit 1
StartServers 1
DocumentRoot {files}
OIDCCABundlePath {folder}/ca.pem
OIDCInfoHook iat access_token access_token_expires id_token userinfo refresh_token session
<Location /members>
    AuthType openid-connect
    Require claim sub~.+
    Header always set X-User "%{{OIDC_CLAIM_preferred_username}}e"
    Header always set X-Email "%{{OIDC_CLAIM_email}}e"
</Location>
"#,
        files = files.display(),
        folder = folder.display(),
    );
    let party = RelyingParty {
        app,
        issuer,
        client_id: "apache",
        client_secret: CLIENT_SECRET,
        scopes: "openid profile email offline_access",
    };
    apache::configuration(port, folder, &party, &[], &lines)
}

#[test]
fn somebody_signs_in_is_refreshed_and_signs_out() {
    story::run(async {
        let site = Site::start().await;
        let browser = site.server.browser();

        let page = site.page(&browser, "/members/page.txt").await;
        assert_eq!(
            (page.status, page.text().as_str()),
            (200, "for members"),
            "{}",
            page.summary()
        );
        assert_eq!(page.header("x-user"), Some(USER));
        assert_eq!(page.header("x-email"), Some("alice@mail.example"));

        let before = site.page(&browser, "/callback?info=json").await.json();
        let token = before["access_token"].as_str().expect("an access token");
        let refresh = format!(
            "/callback?refresh={}/members/page.txt&access_token={token}",
            site.app
        );
        let page = site.page(&browser, &refresh).await;
        assert_eq!(page.text(), "for members", "{}", page.summary());
        let after = site.page(&browser, "/callback?info=json").await.json();
        for what in ["access_token", "refresh_token"] {
            assert!(after[what].is_string(), "{after}");
            assert_ne!(after[what], before[what], "the refresh brought another {what}");
        }

        let goodbye = format!("/callback?logout={}/public.txt", site.app);
        let page = site.page(&browser, &goodbye).await;
        assert_eq!(page.text(), "for everybody", "{}", page.summary());
        let provider = site.server.issuer();
        assert!(
            page.hops.iter().any(|hop| hop.as_str().starts_with(provider)),
            "the browser passed the provider: {:?}",
            page.hops
        );
        assert_asks_for_a_password(&site, &browser).await;
        site.server.assert_its_log_is_clean();
    });
}

#[test]
fn a_sign_out_elsewhere_ends_its_session() {
    story::run(async {
        let site = Site::start().await;
        let browser = site.server.browser();
        assert_eq!(
            site.page(&browser, "/members/page.txt").await.text(),
            "for members"
        );

        // At the provider's own page: nobody but the provider can tell the site.
        let page = browser
            .visit(&format!("{}/end_session", site.server.issuer()))
            .await;
        let form = page.forms().into_iter().next().expect("the question");
        let page = browser.submit(&page, &form, &[]).await;
        assert!(page.words().contains("signed out"), "{}", page.summary());

        eventually("the site has been told", || async {
            let page = browser.visit(&format!("{}/members/page.txt", site.app)).await;
            page.sign_in_form()
        })
        .await;
        assert_asks_for_a_password(&site, &browser).await;
    });
}

/// At both: a session at either would let the browser pass.
async fn assert_asks_for_a_password(site: &Site, browser: &Browser) {
    let page = browser.visit(&format!("{}/members/page.txt", site.app)).await;
    assert!(page.sign_in_form().is_some(), "{}", page.summary());
    assert!(
        page.url.as_str().starts_with(site.server.issuer()),
        "{}",
        page.url
    );
}
