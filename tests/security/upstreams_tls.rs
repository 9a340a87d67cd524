//! TLS to upstreams: whom we trust, as whom we come, and what is agreed upon.

use e2e::on_one_store;
use e2e::peer::{Identity, Peer};
use e2e::stack::{Deployment, Stack};
use http::Version;

use crate::upstreams::{add_route, file};

/// A route to this peer by TLS.
async fn lead_to(stack: &Stack, peer: &Peer, lines: &str, tls: &str) {
    let port = peer.address().port();
    let lines = format!("upstream = \"https://127.0.0.1:{port}\"\n{lines}\n[route.tls]\n{tls}");
    add_route(stack, "/tls", &lines).await;
}

async fn ask(stack: &Stack) -> u16 {
    stack.browser().fetch("/tls/x").await.status
}

async fn c92_an_upstream_is_trusted_for_its_authority_and_its_name(deployment: Deployment) {
    let stack = deployment.start().await;
    let identity = Identity::of("api.internal");
    let peer = Peer::tls("tls", &identity, &["http/1.1"], false);
    let authority = file("ca_file", &identity.authority_file());
    let stranger = file("ca_file", &Identity::of("api.internal").authority_file());
    let name = "server_name = \"api.internal\"\n";

    lead_to(&stack, &peer, "", &format!("{authority}{name}")).await;
    assert_eq!(ask(&stack).await, 200);
    for (tls, why) in [
        (authority.clone(), "the certificate is for another name"),
        (format!("{stranger}{name}"), "another authority vouches for it"),
        (name.to_owned(), "nobody whom this machine trusts vouches for it"),
    ] {
        lead_to(&stack, &peer, "", &tls).await;
        assert_eq!(ask(&stack).await, 502, "{why}");
    }

    assert_eq!(peer.heard().len(), 1, "a refused upstream is told nothing");
}

async fn c92_an_upstream_may_ask_who_we_are(deployment: Deployment) {
    let stack = deployment.start().await;
    let identity = Identity::of("api.internal");
    let peer = Peer::tls("tls", &identity, &["h2", "http/1.1"], true);
    let trust = format!(
        "{}server_name = \"api.internal\"\n",
        file("ca_file", &identity.authority_file())
    );
    let come_as = |identity: &Identity| {
        let certificate = file("client_certificate_file", &identity.certificate_file());
        format!(
            "{trust}{certificate}{}",
            file("client_key_file", &identity.key_file())
        )
    };

    lead_to(&stack, &peer, "", &come_as(&identity)).await;
    assert_eq!(ask(&stack).await, 200);
    lead_to(&stack, &peer, "", &trust).await;
    assert_eq!(ask(&stack).await, 502, "without a certificate");
    lead_to(&stack, &peer, "", &come_as(&Identity::of("api.internal"))).await;
    assert_eq!(ask(&stack).await, 502, "with one of another authority");
}

async fn c39_https_upstreams_agree_on_a_protocol(deployment: Deployment) {
    let stack = deployment.start().await;
    let identity = Identity::of("api.internal");
    let both = Peer::tls("both", &identity, &["h2", "http/1.1"], false);
    let old = Peer::tls("old", &identity, &["http/1.1"], false);
    let tls = format!(
        "{}server_name = \"api.internal\"\n",
        file("ca_file", &identity.authority_file())
    );

    for (peer, protocol, version) in [
        (&both, "auto", Version::HTTP_2),
        (&both, "h2", Version::HTTP_2),
        (&both, "http1", Version::HTTP_11),
        (&old, "auto", Version::HTTP_11),
    ] {
        lead_to(&stack, peer, &format!("protocol = \"{protocol}\""), &tls).await;
        assert_eq!(ask(&stack).await, 200);
        assert_eq!(peer.heard().pop().unwrap().version, version, "{protocol}");
    }
}

on_one_store!(
    c92_an_upstream_is_trusted_for_its_authority_and_its_name,
    c92_an_upstream_may_ask_who_we_are,
    c39_https_upstreams_agree_on_a_protocol,
);
