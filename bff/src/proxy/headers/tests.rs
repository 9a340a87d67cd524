use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    map
}

fn lines<'h>(headers: &'h [(&str, &str)]) -> impl Iterator<Item = (&'h str, &'h [u8])> {
    headers.iter().map(|(name, value)| (*name, value.as_bytes()))
}

fn sent(headers: &[(&str, &str)]) -> HeaderMap {
    let token = AccessToken::new("the-token".to_owned());
    let forwarding = Forwarding {
        client: Some([192, 0, 2, 7].into()),
        protocol: Version::HTTP_11,
        ourselves: &Ourselves::new("https", "app.example").unwrap(),
        upstream: &Authority::from_static("notes:9100"),
        access_token: Some(&token),
        cookies: Some(HeaderValue::from_static("theme=dark")),
        takes_trailers: false,
    };
    for_upstream(lines(headers), &forwarding).unwrap()
}

fn told(answer: &[(&str, &str)], carried_token: bool) -> HeaderMap {
    let answer = map(answer);
    let crossing = for_browser(&answer, carried_token);
    crossing
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn all<'m>(map: &'m HeaderMap, name: &str) -> Vec<&'m str> {
    map.get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect()
}

/// Checklist 37.
#[test]
fn the_upstream_gets_our_token_and_nobody_else_s() {
    let sent = sent(&[
        ("authorization", "Bearer forged"),
        ("authorization", "Basic x"),
        ("proxy-authorization", "y"),
    ]);
    assert_eq!(all(&sent, "authorization"), ["Bearer the-token"]);
    assert!(!sent.contains_key("proxy-authorization"));
}

#[test]
fn the_upstream_gets_the_cookies_that_were_kept_aside_and_no_other() {
    let sent = sent(&[
        ("cookie", "__Host-Http-session=a"),
        ("_cookie", "x"),
        ("coo_kie", "y"),
    ]);
    assert_eq!(all(&sent, "cookie"), ["theme=dark"]);
}

#[test]
fn an_answer_to_a_request_with_a_token_stays_out_of_shared_caches() {
    let cached = |carried: bool, headers: &[(&str, &str)]| {
        let got = told(headers, carried);
        all(&got, "cache-control").join(" | ")
    };
    assert_eq!(cached(true, &[]), "private");
    assert_eq!(
        cached(true, &[("cache-control", "public, max-age=60")]),
        "public, max-age=60 | private"
    );
    assert_eq!(
        cached(true, &[("cache-control", "private=\"x\"")]),
        "private=\"x\" | private"
    );
    assert_eq!(
        cached(true, &[("cache-control", "max-age=60, Private")]),
        "max-age=60, Private"
    );
    assert_eq!(cached(true, &[("cache-control", "no-store")]), "no-store");
    assert_eq!(cached(false, &[("cache-control", "max-age=60")]), "max-age=60");
}

/// Checklist 39.
#[test]
fn hop_by_hop_headers_and_those_that_connection_names_do_not_cross() {
    let sent = sent(&[
        ("connection", "keep-alive, X-Private, Authorization"),
        ("connection", "x-forwarded-for"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("x-kept", "1"),
    ]);
    for name in ["connection", "x-private", "te", "upgrade", "transfer-encoding"] {
        assert!(!sent.contains_key(name), "{name}");
    }
    assert_eq!(all(&sent, "authorization"), ["Bearer the-token"]);
    assert_eq!(all(&sent, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(all(&sent, "x-kept"), ["1"]);
}

/// Checklists 41 and 42.
#[test]
fn what_only_we_may_say_is_replaced_in_every_spelling() {
    let sent = sent(&[
        ("x-forwarded-for", "10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("x-forwarded-uri", "/public"),
        ("forwarded", "for=10.0.0.1"),
        ("x-auth-request-user", "admin"),
        ("x_auth_request_user", "admin"),
        ("x-real-ip", "10.0.0.1"),
        ("x-original-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("host", "evil.example"),
        ("remote-user", "admin"),
        ("remote_user", "admin"),
        ("x-webauth-user", "admin"),
        ("ssl-client-verify", "SUCCESS"),
        ("x-goog-authenticated-user-email", "admin"),
        ("x_csrf", "1"),
        ("x-csrf", "1"),
    ]);
    assert_eq!(all(&sent, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(all(&sent, "host"), ["notes:9100"]);
    let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "authorization",
            "cookie",
            "host",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto"
        ]
    );
}

#[test]
fn an_anonymous_route_carries_no_authorization_at_all() {
    let forwarding = Forwarding {
        client: None,
        protocol: Version::HTTP_11,
        ourselves: &Ourselves::new("http", "localhost").unwrap(),
        upstream: &Authority::from_static("up"),
        access_token: None,
        cookies: None,
        takes_trailers: false,
    };
    let sent = for_upstream(lines(&[("authorization", "Bearer x")]), &forwarding).unwrap();
    assert!(!sent.contains_key("authorization"));
}

/// Checklist 43.
#[test]
fn an_upstream_cannot_set_our_cookie_or_clear_our_site() {
    let answer = [
        ("set-cookie", "__Host-Http-session=stolen; Path=/"),
        ("set-cookie", " __host-http-SESSION =stolen"),
        ("set-cookie", "=__Host-Http-session=stolen"),
        ("set-cookie", "__Host-Http-login-x=y"),
        ("set-cookie", "theme=dark"),
        ("clear-site-data", "\"cookies\""),
        ("alt-svc", "h3=\":443\""),
        ("connection", "close, x-internal"),
        ("x-internal", "1"),
        ("content-type", "text/plain"),
    ];
    let got = told(&answer, false);
    assert_eq!(all(&got, "set-cookie"), ["theme=dark"]);
    let mut names: Vec<_> = got.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "set-cookie"]);
}

#[test]
fn a_request_that_has_passed_here_is_known_by_its_via() {
    let us = Ourselves::new("https", "app.example:8443").unwrap();
    let passed = |lines: &[&str]| us.are_named_in(lines.iter().map(|line| line.as_bytes()));
    assert!(passed(&["1.1 cloakroom-app.example:8443"]));
    assert!(passed(&[
        "1.0 cdn",
        "HTTP/2  Cloakroom-APP.example:8443 (comment), 1.1 gateway"
    ]));
    assert!(!passed(&[]));
    for other in [
        // The proxy in front, which has our public name.
        "1.1 app.example:8443",
        "1.1 cloakroom-app.example",
        "cloakroom-app.example:8443",
        "1.1 x (cloakroom-app.example:8443)",
        "1.1 cloakroom-",
    ] {
        assert!(!passed(&[other]), "{other}");
    }
    let sent = sent(&[("via", "1.0 cdn")]);
    assert_eq!(all(&sent, "via"), ["1.0 cdn", "1.1 cloakroom-app.example"]);
}

/// Checklist 29.
#[test]
fn an_upstream_shares_nobodys_answer_with_other_origins() {
    let answer = [
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "etag"),
    ];
    let mine = told(&answer, true);
    assert!(!mine.contains_key("access-control-allow-origin"));
    assert!(!mine.contains_key("access-control-allow-credentials"));
    assert_eq!(all(&mine, "access-control-expose-headers"), ["etag"]);
    assert_eq!(
        all(&told(&answer, false), "access-control-allow-origin"),
        ["https://evil.example"]
    );
}

#[test]
fn the_lists_are_in_the_order_in_which_they_are_searched() {
    assert!(SAID_BY_US.is_sorted());
    assert!(SAID_BY_US_PREFIXES.is_sorted());
    let begins_another = |pair: &[&str]| pair[1].starts_with(pair[0]);
    assert!(!SAID_BY_US_PREFIXES.windows(2).any(begins_another));
    for (text, name) in &SENT_BY_EVERY_PAGE {
        assert_eq!(text, name);
        assert!(crosses_to_upstream(text), "{text}");
    }
    for prefix in SAID_BY_US_PREFIXES {
        assert!(
            !crosses_to_upstream(&format!("{prefix}x")) && !crosses_to_upstream(prefix),
            "{prefix}"
        );
    }
}

#[test]
fn an_address_reads_as_the_library_writes_it() {
    for address in [
        "0.0.0.0",
        "10.0.99.100",
        "255.255.255.255",
        "::1",
        "2001:db8::ffff:1",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(text_of(address), address.to_string());
    }
}
