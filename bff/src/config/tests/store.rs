use super::*;

#[test]
fn a_redis_password_is_never_quoted() {
    let (_ring, text) = minimal();
    let environment = |name: &str| match name {
        "REDIS_URL" => Some("http://user:hunter2@host".to_owned()),
        other => environment(other),
    };
    let text = format!("{text}[store]\nkind = \"redis\"\n[store.redis]\nurl_env = \"REDIS_URL\"\n");
    let faults = Config::parse(&text, &environment).unwrap_err().to_string();
    assert!(
        faults.contains("store.redis.url") && !faults.contains("hunter2"),
        "{faults}"
    );
}

/// The faults of a `[store.redis]` with these lines, none of which may quote a password.
fn faults_of_redis(lines: &str) -> Vec<String> {
    let (_ring, text) = minimal();
    let environment = |name: &str| match name {
        "REDIS_URL" => Some("redis://user:hunter2@host:6379/1".to_owned()),
        "TLS_URL" => Some("rediss://user:hunter2@host:6379/1".to_owned()),
        "INSECURE_URL" => Some("rediss://user:hunter2@host:6379/1#insecure".to_owned()),
        "REDIS_PASSWORD" => Some("hunter2".to_owned()),
        other => environment(other),
    };
    let text = format!("{text}[store]\nkind = \"redis\"\n[store.redis]\n{lines}\n");
    let faults: Vec<_> = match Config::parse(&text, &environment) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.list().iter().map(ToString::to_string).collect(),
    };
    assert!(!faults.join("\n").contains("hunter2"), "{faults:#?}");
    faults
}

#[test]
fn redis_is_configured_in_each_of_its_forms() {
    for lines in [
        "url_env = \"REDIS_URL\"",
        "url_env = \"TLS_URL\"",
        "topology = \"sentinel\"\nnodes = [\"redis://a:26379\", \"redis://[::1]:26379\"]\nmaster = \"m\"\n\
         username = \"u\"\npassword_env = \"REDIS_PASSWORD\"\ndatabase = 3\n\
         sentinel_username = \"s\"\nsentinel_password_env = \"REDIS_PASSWORD\"",
        "topology = \"cluster\"\nnodes = [\"rediss://a:6379\", \"rediss://b:6379/\"]\nusername = \"u\"\n\
         password_env = \"REDIS_PASSWORD\"",
    ] {
        assert_eq!(faults_of_redis(lines), Vec::<String>::new(), "{lines}");
    }
}

#[test]
fn contradictions_in_the_form_of_redis_are_faults() {
    let nodes = "nodes = [\"redis://a:6379\"]";
    let not_pem = tempfile::NamedTempFile::new().unwrap();
    let ca = format!("ca_file = {:?}", not_pem.path());
    for (lines, key) in [
        ("topology = \"ring\"".to_owned(), "topology"),
        (String::new(), "url"),
        (format!("url_env = \"REDIS_URL\"\n{nodes}"), "nodes"),
        ("url_env = \"REDIS_URL\"\nusername = \"u\"".to_owned(), "username"),
        ("url_env = \"REDIS_URL\"\ndatabase = 1".to_owned(), "database"),
        ("url_env = \"REDIS_URL\"\nmaster = \"m\"".to_owned(), "master"),
        ("url_env = \"INSECURE_URL\"".to_owned(), "url"),
        (format!("url_env = \"TLS_URL\"\n{ca}"), "ca_file"),
        (format!("topology = \"sentinel\"\n{nodes}"), "master"),
        ("topology = \"sentinel\"\nmaster = \"m\"".to_owned(), "nodes"),
        (
            format!("topology = \"cluster\"\n{nodes}\nurl_env = \"REDIS_URL\""),
            "url_env",
        ),
        (
            format!("topology = \"cluster\"\n{nodes}\ndatabase = 1"),
            "database",
        ),
        (
            format!("topology = \"cluster\"\n{nodes}\nsentinel_username = \"s\""),
            "sentinel_username",
        ),
        (
            "topology = \"cluster\"\nnodes = [\"redis://a:1\", \"rediss://b:1\"]".to_owned(),
            "nodes",
        ),
        (
            "topology = \"cluster\"\nnodes = [\"redis://u:hunter2@a:1\"]".to_owned(),
            "nodes[0]",
        ),
        (
            "topology = \"cluster\"\nnodes = [\"redis://a\"]".to_owned(),
            "nodes[0]",
        ),
    ] {
        let faults = faults_of_redis(&lines);
        let told = format!("store.redis.{key}");
        assert_eq!(faults.len(), 1, "{lines}: {faults:#?}");
        assert!(
            faults[0].starts_with(&format!("{told} ")) || faults[0].starts_with(&format!("{told}:")),
            "{lines}: {faults:#?}"
        );
    }
}

/// The faults of a configuration with these lines at its end, none of which may quote a password.
fn faults_without_secrets(lines: &str) -> Vec<String> {
    let (_ring, text) = minimal();
    let faults = faults_of(&format!("{text}{lines}"));
    assert!(!faults.join("\n").contains("hunter2"), "{faults:#?}");
    faults
}

#[test]
fn a_secret_is_quoted_nowhere() {
    for (lines, told) in [
        ("", ""),
        ("[store.redis]\npassword = \"hunter2\"", "is for kind = \"redis\""),
        (
            "[store.redis]\nurl = \"redis://u:hunter2@h\"",
            "is for kind = \"redis\"",
        ),
        (
            "[store.redis]\npasword = \"hunter2\"",
            "store.redis.pasword: is not a known key",
        ),
        (
            "[store.embedded]\nurl = \"hunter2\"",
            "store.embedded.url: is not a known key",
        ),
        (
            "[store]\nredis = \"redis://u:hunter2@h\"",
            "store.redis: must be a table",
        ),
        (
            "[store]\nkind = \"redis\"\n[store.embedded]\npath = \"x\"\n[store.redis]\nurl_env = \"BFF_CLIENT_SECRET\"",
            "is for kind = \"embedded\"",
        ),
        ("[spa]\nclient_secret = \"hunter2\"", "spa.client_secret: is not"),
    ] {
        let faults = faults_without_secrets(lines).join("\n");
        assert!(faults.contains(told), "{lines}: {faults}");
    }
    for (form, key, instead) in [
        ("standalone", "password", "password_file or password_env"),
        ("standalone", "sentinel_password", "sentinel_password_file or"),
        ("standalone", "url", "url_file or url_env"),
        ("sentinel", "password", "password_file or password_env"),
        ("sentinel", "sentinel_password", "sentinel_password_file or"),
        ("sentinel", "url", "url_file or url_env"),
        ("cluster", "password", "password_file or password_env"),
        ("cluster", "url", "url_file or url_env"),
    ] {
        let faults = faults_of_redis(&format!("topology = \"{form}\"\n{key} = \"hunter2\""));
        let told = faults
            .iter()
            .find(|fault| fault.starts_with(&format!("store.redis.{key}:")));
        assert!(
            told.is_some_and(|told| told.contains(instead)),
            "{form} {key}: {faults:#?}"
        );
    }
}

/// All keys of `[store.redis]` that the example names, and one that nobody knows.
fn redis_keys_and_another() -> String {
    let (_, section) = EXAMPLE.split_once("# [store.redis]").unwrap();
    let (section, _) = section.split_once("\n[refresh]").unwrap();
    let keys = section.lines().filter_map(|line| {
        let (key, value) = line.strip_prefix("# ")?.split_once(" = ")?;
        (!key.contains(' ') && key != "topology").then(|| format!("{key} = {value}\n"))
    });
    let keys: String = keys.collect();
    assert!(keys.lines().count() > 10, "{keys}");
    keys + "colour = 1\n"
}

#[test]
fn what_depends_on_an_unknown_kind_is_judged_as_far_as_possible() {
    let keys = redis_keys_and_another();
    let faults = faults_without_secrets(&format!(
        "[store]\nkind = \"memcached\"\n[store.embedded]\npath = \"x\"\nshape = 1\n[store.redis]\n{keys}"
    ));
    assert_eq!(faults.len(), 3, "{faults:#?}");
    for key in ["store.kind", "store.embedded.shape", "store.redis.colour"] {
        assert!(faults.iter().any(|fault| fault.starts_with(key)), "{faults:#?}");
    }
    let faults = faults_of_redis(&format!("topology = \"ring\"\n{keys}")).join("\n");
    assert!(
        faults.contains("topology") && faults.contains("store.redis.colour"),
        "{faults}"
    );
    assert_eq!(faults.matches("is not a known key").count(), 1, "{faults}");
}
