//! Which trailer fields cross (RFC 9110 §6.5.1): those of headers, and none that says how a message is read or who sends it.

use http::HeaderMap;

use super::headers;

/// What has its meaning only before the body.
const NOT_BEHIND_A_BODY: [&str; 13] = [
    "age",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "expires",
    "location",
    "max-forwards",
    "set-cookie",
    "vary",
    "www-authenticate",
    "range",
];

/// The fields that the browser gets; `None` when there are none.
pub(super) fn for_browser(upstream: &HeaderMap) -> Option<HeaderMap> {
    let crossing = headers::for_browser(upstream, false);
    without_forbidden(
        crossing
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// The fields that the upstream gets; `None` when there are none.
pub(super) fn for_upstream(client: &HeaderMap) -> Option<HeaderMap> {
    let mut fields = HeaderMap::with_capacity(client.len());
    for (name, value) in client {
        if headers::crosses_to_upstream(name.as_str()) {
            fields.append(name.clone(), value.clone());
        }
    }
    without_forbidden(fields)
}

fn without_forbidden(mut fields: HeaderMap) -> Option<HeaderMap> {
    for name in NOT_BEHIND_A_BODY {
        fields.remove(name);
    }
    (!fields.is_empty()).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().unwrap(),
                value.parse::<http::HeaderValue>().unwrap(),
            )
        });
        lines.collect()
    }

    fn names(fields: Option<HeaderMap>) -> Vec<String> {
        let mut names: Vec<_> = fields
            .unwrap_or_default()
            .keys()
            .map(ToString::to_string)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_body_is_followed_by_crosses() {
        let sent = fields(&[
            ("grpc-status", "0"),
            ("x-checksum", "abc"),
            ("grpc-message", "fine"),
        ]);
        let all = ["grpc-message", "grpc-status", "x-checksum"];
        assert_eq!(names(for_browser(&sent)), all);
        assert_eq!(names(for_upstream(&sent)), all);
    }

    #[test]
    fn a_trailer_is_no_way_around_the_rules_of_headers() {
        let sent = fields(&[
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("host", "evil.example"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-hop"),
            ("te", "gzip"),
        ]);
        assert_eq!(names(for_upstream(&sent)), Vec::<String>::new());
        let answered = fields(&[
            ("set-cookie", "__Host-Http-session=planted"),
            ("set-cookie", "other=1"),
            ("clear-site-data", "*"),
            ("content-type", "text/html"),
            ("cache-control", "public"),
            ("transfer-encoding", "chunked"),
            ("alt-svc", "h2=evil"),
        ]);
        assert_eq!(names(for_browser(&answered)), Vec::<String>::new());
    }
}
