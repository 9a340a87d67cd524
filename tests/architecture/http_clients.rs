//! Where HTTP clients are built.

use crate::source::Source;

/// Where `reqwest` and `hyper-util` clients are made: proxies, redirects, referrers and deadlines are decided there.
const CLIENT_HOMES: &[&str] = &["provider/http", "proxy/forward", "http", "command/session/http"];
/// Finds HTTP clients that are built somewhere else.
pub(crate) fn clients_are_built_at_home(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.is_at(CLIENT_HOMES)) {
        for named in &source.named {
            let segments: Vec<_> = named.segments.iter().map(String::as_str).collect();
            let builds = segments.windows(2).any(|pair| {
                matches!(pair, ["Client", "builder" | "new" | "default"]) || pair.contains(&"ClientBuilder")
            });
            let names_connector =
                segments.starts_with(&["hyper_util", "client"]) || segments.starts_with(&["hyper", "client"]);
            if builds || names_connector {
                findings.push(format!(
                    "{}:{}: builds an HTTP client, but proxies, redirects and deadlines are decided in {CLIENT_HOMES:?}",
                    source.path, named.line
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::bff_file;

    #[test]
    fn a_client_built_elsewhere_is_found() {
        let faulty = bff_file("login/endpoint", "fn f() { let _ = reqwest::Client::new(); }");
        let fine = bff_file("provider/http", "fn f() { let _ = reqwest::Client::builder(); }");

        assert_eq!(clients_are_built_at_home(&[faulty, fine]).len(), 1);
    }
}
