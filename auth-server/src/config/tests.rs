use std::collections::BTreeSet;

use super::*;
use crate::client::Grant;

const EXAMPLE: &str = include_str!("../../../auth-server.example.toml");

fn no_variables(_: &str) -> Option<String> {
    None
}

fn with_secret(_: &str) -> Option<String> {
    Some("0123456789abcdef".to_owned())
}

fn faults(toml: &str) -> Vec<String> {
    Config::parse(toml, &no_variables)
        .unwrap_err()
        .list()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_defaults_of_the_example_are_the_real_ones() {
    let example = Config::parse(EXAMPLE, &with_secret).unwrap();
    let default = Config::parse("issuer = \"http://127.0.0.1:9000\"", &no_variables).unwrap();

    assert_eq!(default.file_clients.iter().count(), 0);
    let without_clients = Config {
        file_clients: Clients::default(),
        resources: Vec::new(),
        scope_words: ScopeWords::default(),
        ..example
    };
    assert_eq!(format!("{without_clients:?}"), format!("{default:?}"));
}

#[test]
fn the_example_names_every_key() {
    // Each commented key is one that may be set in its place.
    let all = EXAMPLE
        .replace("\n#workers", "\nworkers")
        .replace("\n#listen", "\nlisten")
        .replace("\n#cores", "\ncores");
    let config = Config::parse(&all, &with_secret).unwrap();
    assert_eq!(config.server.workers, 2);
    assert_eq!(config.passwords.cores, 1);
    assert!(config.management_listen.is_some());
    let client = config.file_clients.find("bff").unwrap();
    assert_eq!(client.grants, [Grant::AuthorizationCode, Grant::RefreshToken]);
    assert_eq!(client.resources.default, config.resources[0]);
    assert_eq!(client.resources.others, config.resources[1..]);

    let mut named = named_keys(EXAMPLE);
    // The one place for a secret excludes the other, so the example names it in a comment.
    assert!(EXAMPLE.contains("or secret_file with a path"));
    assert!(named.remove("secret_env") && named.insert("secret"));
    assert!(EXAMPLE.contains("or password_file with a path"));
    assert!(named.remove("password_env") && named.insert("password"));
    assert!(EXAMPLE.contains("\n#[[client.secrets]]\n") && named.insert("secrets"));
    let taken: BTreeSet<_> = SOURCES.iter().flat_map(|source| taken_keys(source)).collect();
    assert_eq!(named, taken);
}

/// Where keys are taken from the file.
const SOURCES: &[&str] = &[
    include_str!("../config.rs"),
    include_str!("client.rs"),
    include_str!("keys.rs"),
    include_str!("status_list.rs"),
    include_str!("client/credentials.rs"),
    include_str!("resource.rs"),
    include_str!("scope.rs"),
    include_str!("outbound.rs"),
    include_str!("passwords.rs"),
    include_str!("logout.rs"),
    include_str!("storage.rs"),
];

/// The keys that stand at the beginning of a line, commented out or not, and the names of tables.
fn named_keys(example: &str) -> BTreeSet<&str> {
    let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    example
        .lines()
        .filter_map(|line| match line.strip_prefix('[') {
            Some(table) => Some(table.trim_matches(['[', ']'])),
            None => line.trim_start_matches('#').split_once(" = ").map(|(key, _)| key),
        })
        .filter(|key| is_key(key))
        .collect()
}

/// The keys that a reader names when it calls a method of its section: `section.text_or("filter", …)`.
fn taken_keys(source: &str) -> BTreeSet<&str> {
    const METHODS: [&str; 14] = [
        "section",
        "sections",
        "text",
        "text_or",
        "optional_text",
        "parsed",
        "parsed_or",
        "optional_parsed",
        "texts_or",
        "switch_or",
        "number_or",
        "duration_or",
        "secret",
        "optional_secret",
    ];
    METHODS
        .iter()
        .flat_map(|method| source.split(&format!(".{method}(")).skip(1).collect::<Vec<_>>())
        .filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next())
        .collect()
}

#[test]
fn a_client_has_modest_defaults() {
    let toml = "issuer = \"https://op.example\"\n[[client]]\nid = \"a\"\nsecret_env = \"S\"\n\
                redirect_uris = [\"https://a.example/cb\"]";
    let config = Config::parse(toml, &with_secret).unwrap();
    let client = config.file_clients.find("a").unwrap();
    assert_eq!(
        (client.name.as_str(), client.resources.default.identifier.as_str()),
        ("a", "https://op.example")
    );
    assert_eq!(client.grants, [Grant::AuthorizationCode]);
    assert_eq!(client.scopes.to_string(), "openid");
}

#[test]
fn every_fault_is_told_at_once() {
    let toml = r#"
issuer = "http://op.example"
colour = "green"
[server]
listen = "here"
trusted_proxies = ["proxy"]
[tokens]
access_token_lifetime = "1d"
refresh_token_idle = "100d"
[sign_in]
idle_timeout = "48h"
[passwords]
cores = 0
memory = "12MiB"
[outbound]
allowed_networks = ["10.0.0.0/8", "10.0.0.1/33"]
[log]
format = "xml"
[[resource]]
identifier = "notes"
[[resource]]
identifier = "https://notes.example/#all"
scopes = ["openid", "notes:read"]
[[client]]
id = "a"
secret = "in the file"
redirect_uris = ["http://a.example/cb", "https://b.example/#f"]
grants = ["password"]
[[client]]
id = "b"
kind = "public"
secret_env = "S"
scopes = ["a b"]
"#;
    let faults = faults(toml);
    for expected in [
        "issuer = \"http://op.example\": must be https",
        "colour: is not a known key",
        "server.listen = \"here\"",
        "server.trusted_proxies[0] = \"proxy\": must be an IP address",
        "tokens.access_token_lifetime = \"1d\"",
        "tokens.refresh_token_idle: must not be longer than refresh_token_absolute",
        "sign_in.idle_timeout: must not be longer than absolute_timeout",
        "passwords.cores = 0: must be a whole number from 1 to 256",
        "passwords.memory = \"12MiB\": must be at least 19MiB with passes = 2",
        "outbound.allowed_networks[1] = \"10.0.0.1/33\": must be a network",
        "log.format = \"xml\"",
        "resource[0].identifier = \"notes\": must be an absolute URI",
        "resource[1].identifier = \"https://notes.example/#all\": must be an absolute URI",
        "resource[1].scopes = [\"openid\", \"notes:read\"]: must not name scopes about users",
        "client[0].secret: a secret must not stand in this file",
        "client[0].redirect_uris[0] = \"http://a.example/cb\": must be https",
        "client[0].redirect_uris[1] = \"https://b.example/#f\": must not have a fragment",
        "client[0].grants[0] = \"password\"",
        "client[1].secret_env: must not be set: a public client cannot keep a secret",
        "client[1].scopes",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(expected)),
            "{expected}\n{faults:#?}"
        );
    }
    assert!(
        !faults.iter().any(|fault| fault.contains("in the file\"")),
        "a secret is not quoted"
    );
}

#[test]
fn combinations_that_make_no_sense_are_faults() {
    let client = |keys: &str| {
        let toml = format!("issuer = \"https://op.example\"\n[[client]]\nid = \"a\"\n{keys}");
        Config::parse(&toml, &with_secret).unwrap_err().to_string()
    };
    let secret = "secret_env = \"S\"\n";
    let uri = "redirect_uris = [\"https://a.example/cb\"]\n";
    assert!(client(secret).contains("redirect_uris: must not be empty"));
    assert!(client(&format!("{secret}grants = [\"refresh_token\"]")).contains("needs authorization_code"));
    let public = format!("kind = \"public\"\n{uri}grants = [\"authorization_code\", \"client_credentials\"]");
    assert!(client(&public).contains("confidential clients only"));
    let exchange = Grant::TokenExchange.as_str();
    let public = format!("kind = \"public\"\n{uri}grants = [\"authorization_code\", \"{exchange}\"]");
    assert!(client(&public).contains("token-exchange is for confidential clients only"));
    assert!(
        client(&format!("{secret}{uri}scopes = [\"offline_access\"]"))
            .contains("needs the grant refresh_token")
    );
    assert!(client(&format!("{secret}{uri}grants = []")).contains("at least one grant"));
    assert!(client(uri).contains("client[0].secret: is missing"));
    assert!(
        client(&format!("kind = \"public\"\nsecret_env = \"S\"\n{uri}")).contains("cannot keep a secret")
    );

    let without_pkce = format!("kind = \"public\"\n{uri}require_pkce = false");
    assert!(client(&without_pkce).contains("must be true for public clients"));
    let twice = format!("{secret}{uri}[[client]]\nid = \"a\"\n{secret}{uri}");
    assert!(client(&twice).contains("is the id of an earlier client"));
    let short = |_: &str| Some("too short".to_owned());
    let toml = format!("issuer = \"https://op.example\"\n[[client]]\nid = \"a\"\n{secret}{uri}");
    assert!(
        Config::parse(&toml, &short)
            .unwrap_err()
            .to_string()
            .contains("at least 16 characters")
    );
}

#[test]
fn resources_are_described_once_and_clients_name_described_ones() {
    let faults = |resources: &str, client: &str| {
        let toml = format!(
            "issuer = \"https://op.example\"\n{resources}\n[[client]]\nid = \"a\"\nsecret_env = \"S\"\n\
             redirect_uris = [\"https://a.example/cb\"]\n{client}"
        );
        match Config::parse(&toml, &with_secret) {
            Ok(_) => String::new(),
            Err(faults) => faults.to_string(),
        }
    };
    let notes = "[[resource]]\nidentifier = \"https://notes.example\"\n";
    let both = "audience = \"https://notes.example\"\nresources = [\"https://notes.example\"]";
    assert_eq!(faults(notes, both), "");
    assert_eq!(faults(notes, "resources = [\"https://notes.example\"]"), "");
    assert_eq!(faults("", "audience = \"notes\""), "");
    for unfit in ["", "my notes", "notes\\n"] {
        let told = faults("", &format!("audience = \"{unfit}\""));
        assert!(
            told.contains("must not be empty, and have no white space"),
            "{told}"
        );
    }

    assert!(faults("", both).contains("client[0].resources[0] = \"https://notes.example\": must be the"));
    let undescribed = "audience = \"https://x.example\"\nresources = [\"https://notes.example\"]";
    assert!(faults(notes, undescribed).contains("client[0].audience = \"https://x.example\": must be the"));
    assert!(faults(&[notes, notes].concat(), "").contains("resource[1].identifier"));
    let issuer = "[[resource]]\nidentifier = \"https://op.example\"";
    assert!(faults(issuer, "").contains("must not be the issuer"));
    let nobody = format!("{notes}introspected_by = [\"a\", \"nobody\"]");
    let told = faults(&nobody, "");
    assert!(
        told.contains("resource[0].introspected_by[1] = \"nobody\""),
        "{told}"
    );
    assert!(!told.contains("introspected_by[0]"), "{told}");
    let exchange = Grant::TokenExchange.as_str();
    let by_a = format!("{notes}exchanged_by = [\"a\"]");
    assert_eq!(faults(&by_a, &format!("grants = [\"{exchange}\"]")), "");
    assert!(
        faults(&by_a, "").contains("resource[0].exchanged_by[0] = \"a\": must be the id of a client with")
    );
    let introspector = format!("{notes}introspected_by = [\"a\"]");
    assert_eq!(faults(&introspector, "grants = []"), "");
}

#[test]
fn keys_change_no_sooner_than_verifiers_can_know() {
    let keys = |keys: &str| {
        let toml = format!("issuer = \"http://127.0.0.1:9000\"\n[keys]\n{keys}");
        Config::parse(&toml, &no_variables).map(|config| config.keys)
    };
    let longest = keys("rotate_every = \"30d\"\nverifier_cache = \"7d\"").unwrap();
    assert_eq!(longest.rotate_every, 30 * DAY);
    assert!(keys("rotate_every = \"1h 6m\"").is_ok());
    let faults = keys("rotate_every = \"1h 5m\"").unwrap_err().to_string();
    assert!(
        faults.contains("keys.rotate_every: must be at least 1h 6m"),
        "{faults}"
    );
    for wrong in [
        "rotate_every = \"59m\"",
        "verifier_cache = \"31d\"",
        "path = \"\"",
    ] {
        assert!(keys(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn issuers() {
    for good in [
        "https://op.example",
        "https://op.example/tenant/a",
        "http://localhost:9000",
        "http://[::1]:9000",
    ] {
        assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "op.example",
        "http://op.example",
        "ftp://op.example",
        "https://op.example/",
        "https://op.example?x",
        "https://op.example#f",
        "https://u:p@op.example",
        "https://op.example/a/../b",
        "https://op.example/{id}",
    ] {
        assert!(Issuer::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Issuer::parse("https://op.example/t").unwrap().endpoint("/token"),
        "https://op.example/t/token"
    );
    assert_eq!(
        Issuer::parse("https://op.example")
            .unwrap()
            .endpoint_path("/token"),
        "/token"
    );
}

#[test]
fn passwords_cost_no_less_than_they_should() {
    let parse = |keys: &str| {
        let toml = format!("issuer = \"https://op.example\"\n[passwords]\n{keys}");
        Config::parse(&toml, &no_variables)
    };
    for good in [
        "memory = \"46MiB\"\npasses = 1",
        "memory = \"7MiB\"\npasses = 5",
        "memory = \"7MiB\"\npasses = 20",
        "memory = \"1024MiB\"",
    ] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in [
        "memory = \"45MiB\"\npasses = 1",
        "memory = \"6MiB\"\npasses = 20",
        "memory = \"1025MiB\"",
        "memory = \"19\"",
        "memory = 19",
        "queue = 0",
        "passes = 0",
    ] {
        assert_eq!(parse(bad).unwrap_err().list().len(), 1, "{bad}");
    }
}

#[test]
fn a_client_proves_itself_in_one_way_that_is_complete() {
    let client = |keys: &str| {
        let toml = format!(
            "issuer = \"https://op.example\"\n[[client]]\nid = \"a\"\nredirect_uris = [\"https://a.example/cb\"]\n{keys}"
        );
        Config::parse(&toml, &with_secret)
            .map(|config| config.file_clients.find("a").unwrap().authentication_method())
    };
    let of = |method: &str| format!("token_endpoint_auth_method = \"{method}\"\n");
    let secret = "secret_env = \"S\"\n";
    let uri = "jwks_uri = \"https://a.example/jwks\"\n";
    let ends = |text: &str| format!("[[client.secrets]]\nsecret_env = \"S\"\nends = \"{text}\"\n");
    for (keys, method) in [
        (secret.to_owned(), None),
        (of("client_secret_post") + secret, Some("client_secret_post")),
        (of("private_key_jwt") + uri, Some("private_key_jwt")),
        (format!("kind = \"public\"\n{}", of("none")), Some("none")),
        (ends("2027-01-31T00:00:00Z"), None),
    ] {
        assert_eq!(client(&keys).unwrap(), method, "{keys}");
    }
    let private = "jwks = '{\"keys\": [{\"kty\": \"oct\", \"k\": \"AAAA\"}]}'\n";
    for (keys, fault) in [
        (
            of("client_secret_jwt") + secret,
            "must be \"client_secret_basic\"",
        ),
        (of("none"), "is for kind = \"public\" only"),
        (of("private_key_jwt"), "jwks_uri: is missing"),
        (of("private_key_jwt") + private, "no usable key"),
        (
            of("private_key_jwt") + uri + secret,
            "secret_env: must not be set",
        ),
        (
            of("private_key_jwt") + "jwks_uri = \"http://a.example/\"",
            "must be https",
        ),
        (
            of("private_key_jwt") + uri + "token_endpoint_auth_signing_alg = \"HS256\"",
            "must be \"ES256\"",
        ),
        (
            secret.to_owned() + uri,
            "jwks_uri: is for token_endpoint_auth_method",
        ),
        (
            format!("kind = \"public\"\n{}", of("client_secret_basic")),
            "must be \"none\"",
        ),
        (
            format!("kind = \"public\"\n{secret}"),
            "a public client cannot keep a secret",
        ),
        (ends("tomorrow"), "client[0].secrets[0].ends"),
    ] {
        let faults = client(&keys).unwrap_err().to_string();
        assert!(faults.contains(fault), "{keys}\n{faults}");
    }
}
