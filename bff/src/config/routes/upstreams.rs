use std::fs;
use std::sync::Arc;
use std::time::Duration;

use resource_server::settings::Section;

use crate::routing::{Addresses, Connecting, Protocol, Tls, TlsFault, TlsSource, Upstream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a route leads, and how connections are made.
pub(super) fn read(section: &mut Section<'_>) -> Option<Arc<Addresses>> {
    let upstreams = upstreams(section);
    let protocol = section.parsed_or("protocol", "http1", Protocol::parse);
    let timeout = section.duration_or(
        "connect_timeout",
        CONNECT_TIMEOUT,
        Duration::from_millis(50)..=Duration::from_secs(60),
    );
    let by_https = upstreams
        .as_deref()
        .map(|upstreams| upstreams.iter().all(Upstream::is_https));
    if section.has("tls") && by_https == Some(false) {
        section.fault("tls", None, "needs upstreams by https");
    }
    let tls = read_tls(section.section("tls"));
    let connecting = Connecting {
        protocol: protocol?,
        timeout: timeout?,
        tls: tls?,
    };
    let mut upstreams = upstreams?.into_iter();
    Some(Arc::new(Addresses::new(
        upstreams.next()?,
        upstreams.collect(),
        &connecting,
    )))
}

/// `upstream` for one, or `upstreams`.
fn upstreams(section: &mut Section<'_>) -> Option<Vec<Upstream>> {
    if !section.has("upstreams") {
        return section
            .parsed("upstream", Upstream::parse)
            .map(|upstream| vec![upstream]);
    }
    section.refuse("upstream", "must not be set together with upstreams");
    let texts = section.texts_or("upstreams", &[])?;
    if texts.is_empty() {
        section.fault("upstreams", Some("[]".to_owned()), "must name at least one");
        return None;
    }
    let mut upstreams: Vec<Upstream> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let key = format!("upstreams[{index}]");
        match Upstream::parse(text) {
            Ok(upstream) if upstreams.contains(&upstream) => {
                section.fault(&key, Some(format!("{text:?}")), "stands there twice");
            }
            Ok(upstream) => upstreams.push(upstream),
            Err(rule) => section.fault(&key, Some(format!("{text:?}")), rule),
        }
    }
    (upstreams.len() == texts.len()).then_some(upstreams)
}

fn read_tls(mut section: Section<'_>) -> Option<Tls> {
    let authorities = section.optional_parsed("ca_file", contents);
    let certificate = section.optional_parsed("client_certificate_file", contents);
    let key = section.optional_parsed("client_key_file", contents);
    let server_name = section.optional_text("server_name");
    let source = TlsSource {
        authorities: authorities?,
        certificate: certificate?,
        key: key?,
        server_name: server_name?,
    };
    if source.certificate.is_some() != source.key.is_some() {
        section.fault(
            "client_certificate_file",
            None,
            "a certificate and client_key_file come together",
        );
        return None;
    }
    match Tls::read(&source) {
        Ok(tls) => {
            section.finish();
            Some(tls)
        }
        Err(fault) => {
            let key = match fault {
                TlsFault::Authorities => "ca_file",
                TlsFault::Certificate => "client_certificate_file",
                TlsFault::Key => "client_key_file",
                TlsFault::ServerName => "server_name",
            };
            section.fault(key, None, fault);
            None
        }
    }
}

fn contents(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}
