use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use resource_server::settings::Section;

use crate::pem;
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
    let tls = read_tls(section.section("tls"));
    if by_https == Some(false) && tls.as_ref().is_some_and(|tls| *tls != Tls::default()) {
        section.fault("tls", None, "needs upstreams by https");
    }
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

/// One address, and nothing special about it.
pub(super) fn just(upstream: Upstream) -> Arc<Addresses> {
    let connecting = Connecting {
        protocol: Protocol::Http1,
        timeout: CONNECT_TIMEOUT,
        tls: Tls::default(),
    };
    Arc::new(Addresses::new(upstream, Vec::new(), &connecting))
}

/// `upstream` for one, or `upstreams`.
fn upstreams(section: &mut Section<'_>) -> Option<Vec<Upstream>> {
    if !section.has("upstreams") {
        let one = section.parsed("upstream", Upstream::parse);
        return one.map(|upstream| vec![upstream]);
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
    let is_alone = section.has("client_certificate_file") != section.has("client_key_file");
    let authorities = file(&mut section, "ca_file");
    let certificate = file(&mut section, "client_certificate_file");
    let key = file(&mut section, "client_key_file");
    let server_name = section.optional_text("server_name");
    if is_alone {
        let rule = "a certificate and client_key_file come together";
        section.fault("client_certificate_file", None, rule);
    }
    let is_whole = authorities.is_some() && certificate.is_some() && key.is_some() && server_name.is_some();
    // What could be read is judged also when something else could not: every fault is told.
    let (authorities, certificate, key) = (authorities.flatten(), certificate.flatten(), key.flatten());
    let server_name = server_name.flatten();
    let path = |file: &Option<File>| file.as_ref().map(|(path, _)| format!("{path:?}"));
    let (ca_path, certificate_path, key_path) = (path(&authorities), path(&certificate), path(&key));
    let name = server_name.as_ref().map(|name| format!("{name:?}"));
    let source = TlsSource {
        authorities: authorities.map(|(_, text)| text),
        certificate: certificate.map(|(_, text)| text),
        key: key.map(|(_, text)| text),
        server_name,
    };
    let read = Tls::read(&source);
    for fault in read.as_ref().err().into_iter().flatten() {
        let (key, value) = match fault {
            TlsFault::Authorities(_) => ("ca_file", &ca_path),
            TlsFault::Certificate(_) => ("client_certificate_file", &certificate_path),
            TlsFault::Key(_) => ("client_key_file", &key_path),
            TlsFault::ServerName => ("server_name", &name),
        };
        section.fault(key, value.clone(), fault);
    }
    section.finish();
    read.ok().filter(|_| is_whole && !is_alone)
}

/// A path, and what stands there.
type File = (String, Vec<u8>);

fn file(section: &mut Section<'_>, key: &str) -> Option<Option<File>> {
    section.optional_parsed(key, |path| {
        pem::contents(Path::new(path)).map(|text| (path.to_owned(), text))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use resource_server::settings::{Document, Faults};

    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        let faults = Faults::default();
        let mut root = Document::parse(text, &|_| None).unwrap().root(&faults);
        let read = read(&mut root);
        root.finish();
        assert!(read.is_some() || !faults.is_empty());
        faults.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_address_or_several_are_named() {
        for good in [
            "upstream = \"http://a\"",
            "upstreams = [\"http://a\", \"http://b\"]\nprotocol = \"h2\"",
            "upstream = \"https://a\"\n[tls]\nserver_name = \"b\"",
        ] {
            assert_eq!(faults_of(good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_a_fault_at_its_key() {
        for (bad, key) in [
            ("", "upstream"),
            ("upstreams = []", "upstreams"),
            ("upstreams = [\"http://a\", \"ftp://b\"]", "upstreams[1]"),
            ("upstreams = [\"http://a\", \"http://a\"]", "upstreams[1]"),
            ("upstream = \"http://a\"\nupstreams = [\"http://a\"]", "upstream"),
            ("upstream = \"http://a\"\nprotocol = \"h3\"", "protocol"),
            (
                "upstream = \"http://a\"\nconnect_timeout = \"2m\"",
                "connect_timeout",
            ),
            ("upstream = \"http://a\"\n[tls]\nserver_name = \"b\"", "tls"),
            (
                "upstream = \"https://a\"\n[tls]\nserver_name = \"not a name\"",
                "tls.server_name",
            ),
            (
                "upstream = \"https://a\"\n[tls]\nca_file = \"/nowhere\"",
                "tls.ca_file",
            ),
            ("upstream = \"https://a\"\n[tls]\nverify = \"no\"", "tls.verify"),
        ] {
            let faults = faults_of(bad);
            assert!(
                faults.first().is_some_and(|fault| fault.starts_with(key)),
                "{bad}: {faults:?}"
            );
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_told() {
        for bad in [
            "upstream = \"http://u:hunter2@a\"",
            "upstreams = [\"http://a\", \"http://u:hunter2@b\"]",
        ] {
            let faults = faults_of(bad);
            assert!(
                !faults.is_empty() && !faults.concat().contains("hunter2"),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_pem_and_a_certificate_alone_are_faults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"not PEM").unwrap();
        let path = file.path();
        let tls = |lines: String| faults_of(&format!("upstream = \"https://a\"\n[tls]\n{lines}"));

        assert!(tls(format!("ca_file = {path:?}"))[0].starts_with("tls.ca_file"));
        let both = format!("client_certificate_file = {path:?}\nclient_key_file = {path:?}");
        assert!(tls(both)[0].starts_with("tls.client_certificate_file"));
        let alone = tls(format!("client_certificate_file = {path:?}"));
        assert!(alone[0].contains("come together"), "{alone:?}");
    }

    #[test]
    fn all_faults_of_tls_are_told_at_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"not PEM").unwrap();
        let path = file.path();

        let told = faults_of(&format!(
            "upstream = \"https://a\"\n[tls]\nca_file = {path:?}\nclient_certificate_file = {path:?}\n\
             client_key_file = \"/nowhere\"\nserver_name = \"not a name\"\nverify = false"
        ));

        for fault in [
            format!("tls.ca_file = {path:?}: must be a file of certificates in PEM: there is none in it"),
            "tls.client_key_file = \"/nowhere\": cannot be read: No such file".to_owned(),
            "tls.server_name = \"not a name\": must be".to_owned(),
            "tls.verify: is not a known key".to_owned(),
        ] {
            assert!(
                told.iter().any(|told| told.starts_with(&fault)),
                "{fault}: {told:?}"
            );
        }
    }
}
