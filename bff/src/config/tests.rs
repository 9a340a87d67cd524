use std::collections::BTreeSet;
use std::io::Write;

use super::*;
use crate::session::key_ring::{KeyName, KeyRing};
use crate::session::registry::WhenExceeded;

const EXAMPLE: &str = include_str!("../../../bff.example.toml");

fn environment(name: &str) -> Option<String> {
    (name == "BFF_CLIENT_SECRET").then(|| "s3cret".to_owned())
}

/// A key ring file, and the smallest configuration that names it.
fn minimal() -> (tempfile::NamedTempFile, String) {
    let mut ring = tempfile::NamedTempFile::new().unwrap();
    ring.write_all(KeyRing::generate(&KeyName::parse("k1").unwrap()).as_bytes())
        .unwrap();
    let text = format!(
        "[server]\npublic_url = \"https://app.example.com\"\n\
         [provider]\nissuer = \"https://op.example.com\"\nclient_id = \"app\"\nclient_secret_env = \"BFF_CLIENT_SECRET\"\n\
         [session]\nkey_ring_file = {:?}\n",
        ring.path()
    );
    (ring, text)
}

fn faults_of(text: &str) -> Vec<String> {
    match Config::parse(text, &environment) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.list().iter().map(ToString::to_string).collect(),
    }
}

/// The example with what a user has to change: the paths of files that are not there.
fn example(ring: &tempfile::NamedTempFile) -> String {
    let ring = ring.path().display().to_string();
    EXAMPLE.replace("bff-keys", &ring).replace(
        "client_secret_file = \"client-secret\"",
        "client_secret_env = \"BFF_CLIENT_SECRET\"",
    )
}

#[test]
fn a_minimal_configuration_is_enough() {
    let (_ring, text) = minimal();
    assert_eq!(faults_of(&text), Vec::<String>::new());
}

#[test]
fn the_example_file_is_valid() {
    let (ring, _) = minimal();
    assert_eq!(faults_of(&example(&ring)), Vec::<String>::new());
}

/// The example lists every key; a line `# key = value` shows a key that is optional. With all of them switched on it
/// must still be valid, and the defaults it names must be the real ones.
#[test]
fn the_defaults_in_the_example_are_the_real_ones() {
    let (ring, text) = minimal();
    let example = Config::parse(&example(&ring), &environment).unwrap();
    let default = Config::parse(&text, &environment).unwrap();

    assert_eq!(example.server.listen, default.server.listen);
    assert_eq!(example.server.base_path, default.server.base_path);
    assert_eq!(example.server.limits, default.server.limits);
    assert_eq!(example.provider.scope, default.provider.scope);
    assert_eq!(
        example.provider.settings.timeout,
        default.provider.settings.timeout
    );
    assert_eq!(
        example.provider.settings.userinfo,
        default.provider.settings.userinfo
    );
    assert_eq!(
        example.provider.sends_id_token_hint,
        default.provider.sends_id_token_hint
    );
    assert_eq!(example.session.limits.idle, default.session.limits.idle);
    assert_eq!(example.session.limits.absolute, default.session.limits.absolute);
    assert_eq!(example.session.cap, default.session.cap);
    assert_eq!(example.session.device_binding, default.session.device_binding);
    assert_eq!(example.refresh.margin, default.refresh.margin);
    assert_eq!(example.replica.max_bytes, default.replica.max_bytes);
    assert_eq!(example.replica.staleness, default.replica.staleness);
    assert_eq!(example.proxy.stream_grace, default.proxy.stream_grace);
    assert_eq!(
        example.proxy.websocket_close_code,
        default.proxy.websocket_close_code
    );
    assert_eq!(example.provider.audiences, default.provider.audiences);
    assert_eq!(example.refresh.lease, default.refresh.lease);
    assert_eq!(
        example.refresh.replay_body_limit,
        default.refresh.replay_body_limit
    );
    assert_eq!(
        example.spa.content_security_policy,
        default.spa.content_security_policy
    );
    assert_eq!(example.log.format, default.log.format);
    assert_eq!(example.log.filter, default.log.filter);
    let StoreConfig::Embedded { path } = &example.store else {
        panic!("the example uses the embedded store");
    };
    let StoreConfig::Embedded { path: default_path } = &default.store else {
        panic!("the default is the embedded store");
    };
    assert_eq!(path, default_path);
    assert_eq!(example.spa.hashed_files, default.spa.hashed_files);
    assert_eq!(
        example.forward_auth.original_method,
        default.forward_auth.original_method
    );
    assert_eq!(
        example.forward_auth.access_token,
        default.forward_auth.access_token
    );
    assert_eq!(
        example.forward_auth.unverified_email,
        default.forward_auth.unverified_email
    );
}

/// The readers of the sections.
const SOURCES: [&str; 16] = [
    include_str!("../config.rs"),
    include_str!("cors.rs"),
    include_str!("forward_auth.rs"),
    include_str!("limits.rs"),
    include_str!("log.rs"),
    include_str!("management.rs"),
    include_str!("provider.rs"),
    include_str!("refresh.rs"),
    include_str!("replica.rs"),
    include_str!("proxy.rs"),
    include_str!("routes.rs"),
    include_str!("routes/upstreams.rs"),
    include_str!("server.rs"),
    include_str!("session.rs"),
    include_str!("spa.rs"),
    include_str!("store.rs"),
];

/// The keys that the readers take (`section.text_or("filter", …)`), a secret's as the file and the variable that hold it.
fn taken_keys() -> BTreeSet<String> {
    let calls = SOURCES.iter().flat_map(|source| source.split("section.").skip(1));
    let mut keys = BTreeSet::new();
    for call in calls {
        let Some((method, arguments)) = call.split_once('(') else {
            continue;
        };
        let key = arguments
            .trim_start()
            .strip_prefix('"')
            .and_then(|rest| rest.split('"').next());
        match (method, key) {
            ("fault" | "refuse" | "section" | "sections", _) | (_, None) => {}
            ("secret" | "optional_secret", Some(key)) => {
                keys.extend([format!("{key}_file"), format!("{key}_env")]);
            }
            (_, Some(key)) => {
                keys.insert(key.to_owned());
            }
        }
    }
    keys
}

/// The keys at the beginning of a line of the example, commented out or not.
fn named_keys() -> BTreeSet<String> {
    let is_key = |text: &&str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let lines = EXAMPLE.lines().map(|line| line.trim_start_matches(['#', ' ']));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key)
        .filter(is_key)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_example_names_every_key_that_is_read_and_no_other() {
    assert!(taken_keys().len() > 20, "the readers were not understood");
    assert_eq!(named_keys(), taken_keys());
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "\
        colour = 1\n\
        [server]\nlisten = \"8080\"\npublic_url = \"http://app.example.com/x\"\nbase_path = \"bff/\"\ntls_key_file = \"x\"\n\
        [provider]\nissuer = \"op\"\nscopes = [\"profile\"]\nclient_auth = \"jwt\"\nclient_secret_env = \"MISSING\"\n\
        [session]\nidle_timeout = \"9h\"\nkey_ring_file = \"/nowhere/keys\"\n\
        max_per_user = 101\nwhen_exceeded = \"youngest_out\"\ndevice_binding = true\n\
        [store]\nkind = \"memcached\"\n\
        [refresh]\nmargin = 30\n\
        [replica]\nmax_size = \"64\"\nstaleness = \"1m\"\n\
        [proxy]\nstream_grace = \"2h\"\nwebsocket_close_code = 1009\n\
        [[route]]\nprefix = \"/bff/x\"\nupstream = \"ftp://x\"\n\
        [[route]]\nprefix = \"/a/../b\"\nupstream = \"http://x\"\naccess = \"anybody\"\nmethods = [\"get\"]\n\
        [spa]\ndirectory = \"/nowhere\"\n\
        [log]\nformat = \"xml\"\n";
    let faults = faults_of(text);
    for key in [
        "colour",
        "server.listen",
        "server.public_url",
        "server.base_path",
        "server.tls_certificate_file",
        "provider.issuer",
        "provider.client_id",
        "provider.scopes",
        "provider.client_auth",
        "provider.client_secret_env",
        "session.idle_timeout",
        "session.key_ring_file",
        "session.max_per_user",
        "session.when_exceeded",
        "session.device_binding",
        "store.kind",
        "refresh.margin",
        "replica.max_size",
        "replica.staleness",
        "proxy.stream_grace",
        "proxy.websocket_close_code",
        "route[0].prefix",
        "route[0].upstream",
        "route[1].prefix",
        "route[1].access",
        "route[1].methods",
        "spa.directory",
        "log.format",
    ] {
        let told = faults
            .iter()
            .filter(|fault| fault.starts_with(&format!("{key} ")) || fault.starts_with(&format!("{key}:")));
        assert_eq!(told.count(), 1, "{key} in {faults:#?}");
    }
}

#[test]
fn a_cap_counts_from_one_and_zero_is_none() {
    let (_ring, text) = minimal();
    let cap = |lines: &str| {
        Config::parse(&format!("{text}{lines}"), &environment)
            .unwrap()
            .session
            .cap
    };
    assert_eq!(cap(""), None);
    assert_eq!(cap("max_per_user = 0\nwhen_exceeded = \"refuse\"\n"), None);
    let refuse = cap("max_per_user = 3\nwhen_exceeded = \"refuse\"\n").unwrap();
    assert_eq!(
        (refuse.most.get(), refuse.when_exceeded),
        (3, WhenExceeded::Refuse)
    );
    let default = cap("max_per_user = 1\n").unwrap();
    assert_eq!(default.when_exceeded, WhenExceeded::OldestOut);
}

#[test]
fn plain_http_is_for_loopback_only() {
    for good in [
        "https://app.example.com",
        "https://app.example.com:8443/",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:1",
    ] {
        assert!(PublicUrl::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "http://app.example.com",
        "https://app.example.com/x",
        "https://u@app.example.com",
        "app.example.com",
        "ftp://localhost",
    ] {
        assert!(PublicUrl::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(
        PublicUrl::parse("https://App.Example.com:443/").unwrap().origin(),
        "https://app.example.com"
    );
}

#[test]
fn a_key_ring_that_everybody_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (ring, text) = minimal();
    std::fs::set_permissions(ring.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        faults_of(&text)[0].contains("chmod 600"),
        "{:?}",
        faults_of(&text)
    );
}

#[test]
fn two_routes_of_one_prefix_are_a_fault() {
    let (_ring, text) = minimal();
    let route = "[[route]]\nprefix = \"/api\"\nupstream = \"http://x\"\n";
    let slash = "[[route]]\nprefix = \"/api/\"\nupstream = \"http://x\"\n";
    assert_eq!(faults_of(&format!("{text}{route}{slash}")).len(), 1);
}

#[test]
fn a_lease_is_longer_than_a_call_to_the_provider() {
    let (_ring, text) = minimal();
    let with = |timeout: &str, lease: &str| {
        let text = text.replace("[session]", &format!("timeout = \"{timeout}\"\n[session]"));
        faults_of(&format!("{text}[refresh]\n{lease}"))
    };
    assert_eq!(with("20s", ""), Vec::<String>::new());
    assert_eq!(with("3s", "lease = \"4s\"\n"), Vec::<String>::new());
    let faults = with("3s", "lease = \"3s\"\n");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("refresh.lease") && faults[0].contains("provider.timeout"),
        "{faults:?}"
    );
}

#[test]
fn what_a_route_asks_of_the_provider_is_judged() {
    let (_ring, text) = minimal();
    let faults = |audiences: &str, rules: &str| {
        let text = text.replace("[session]", &format!("audiences = \"{audiences}\"\n[session]"));
        faults_of(&format!(
            "{text}[[route]]\nprefix = \"/x\"\nupstream = \"http://x\"\n{rules}\n"
        ))
    };
    for good in [
        "audience = \"https://x.example/\"\nscopes = [\"profile\"]",
        "access = \"optional\"\naudience = \"urn:x\"",
        "access = \"service\"\nscopes = [\"anything\"]",
    ] {
        assert_eq!(faults("resource", good), Vec::<String>::new(), "{good}");
    }
    assert_eq!(faults("exchange", "audience = \"files\""), Vec::<String>::new());
    for (rules, key) in [
        ("audience = \"files\"", "route[0].audience"),
        ("audience = \"https://x.example/#y\"", "route[0].audience"),
        ("scopes = [\"notes:write\"]", "route[0].scopes"),
        ("scopes = [\"a b\"]", "route[0].scopes"),
        (
            "access = \"anonymous\"\naudience = \"https://x.example\"",
            "route[0].audience",
        ),
        ("access = \"anonymous\"\nscopes = []", "route[0].scopes"),
        (
            "access = \"service\"\nlogin_redirect = true",
            "route[0].login_redirect",
        ),
    ] {
        let faults = faults("resource", rules);
        assert!(
            faults.len() == 1 && faults[0].starts_with(key),
            "{rules}: {faults:?}"
        );
    }
    assert!(faults("both", "")[0].starts_with("provider.audiences"));
}

/// (RFC 8707) What a token is for that nobody was named for is the provider's choice among those that the login named.
#[test]
fn where_one_route_has_an_audience_each_of_a_session_needs_one() {
    let (_ring, text) = minimal();
    let faults = |audiences: &str, rules: [&str; 2]| {
        let text = text.replace("[session]", &format!("audiences = \"{audiences}\"\n[session]"));
        let [first, second] = rules;
        faults_of(&format!(
            "{text}[[route]]\nprefix = \"/x\"\nupstream = \"http://x\"\n{first}\n\
             [[route]]\nprefix = \"/y\"\nupstream = \"http://y\"\n{second}\n"
        ))
    };
    let told = "audience = \"https://x.example\"";
    for untold in ["", "access = \"optional\"", "scopes = [\"profile\"]"] {
        let faults = faults("resource", [untold, told]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("route[0].audience"),
            "{untold}: {faults:?}"
        );
    }
    let nothing = Vec::<String>::new();
    for other in [
        "audience = \"https://y.example\"",
        "access = \"anonymous\"",
        "access = \"service\"",
    ] {
        assert_eq!(faults("resource", [told, other]), nothing, "{other}");
    }
    let of_service = "access = \"service\"\naudience = \"https://x.example\"";
    assert_eq!(faults("resource", ["", of_service]), nothing, "it is in no login");
    assert_eq!(
        faults("exchange", ["", told]),
        nothing,
        "the login's token is for one API"
    );
}

#[test]
fn a_missing_client_secret_hides_no_other_fault() {
    let (_ring, text) = minimal();
    let text = text.replace("BFF_CLIENT_SECRET", "MISSING");
    let faults = faults_of(&format!(
        "{text}[refresh]\nlease = \"3s\"\n[[route]]\nprefix = \"/x\"\nupstream = \"http://x\"\nscopes = [\"notes\"]\n"
    ));
    for key in ["provider.client_secret_env", "refresh.lease", "route[0].scopes"] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(key)),
            "{key}: {faults:#?}"
        );
    }
}

mod store;

#[test]
fn gateways_are_told_tokens_only_with_a_secret() {
    let (_ring, text) = minimal();
    let faults = |lines: &str| faults_of(&format!("{text}[forward_auth]\n{lines}"));
    assert_eq!(faults("path = \"/oauth2/auth\""), Vec::<String>::new());
    let token = faults("path = \"/oauth2/auth\"\naccess_token = true");
    assert!(
        token.len() == 1 && token[0].contains("gateway_secret"),
        "{token:?}"
    );
    for path in ["/bff", "/bff/auth", "/", "auth", "/a/", "/{x}"] {
        assert_eq!(faults(&format!("path = {path:?}")).len(), 1, "{path}");
    }
    assert_eq!(faults("original_method = \"own\"").len(), 1);
}

#[test]
fn a_development_server_is_all_of_the_spa() {
    let (_ring, text) = minimal();
    let server = "[spa]\ndev_server = \"http://127.0.0.1:5173\"\n";
    let faults = |more: &str| faults_of(&format!("{text}{server}{more}"));
    assert_eq!(faults(""), Vec::<String>::new());
    assert_eq!(faults("directory = \"dist\"").len(), 2, "nor is the folder there");
    let route = "[[route]]\nprefix = \"/\"\nupstream = \"http://127.0.0.1:9100\"\n";
    let both = faults(route);
    assert!(both.len() == 1 && both[0].contains("spa.dev_server"), "{both:?}");
}
