//! The public address of the program that serves: what is told of strangers, and what a signal exchanges.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::{PATIENCE, Program, folder};

/// Where the program listens, as its log says.
pub(crate) fn address(program: &Program) -> SocketAddr {
    address_in(&program.wait_for("the BFF listens"))
}

/// The address in the line that says so.
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let (_, address) = line.rsplit_once("address=").unwrap();
    address.trim().parse().unwrap()
}

pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn what_strangers_send_is_no_line_of_the_log() {
    let folder = folder();
    let program = Program::serve(folder.path());
    let address = address(&program);

    for garbage in ["\0\0\0\r\n\r\n", "GET / HTTP/1.1\r\nA\0: b\r\n\r\n"] {
        let mut stream = connect(address);
        stream.write_all(garbage.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    program.signal("-TERM");
    let log: Vec<_> = program.log.iter().collect();
    assert!(!log.is_empty());
    for line in log {
        assert!(!line.contains("ERROR") && !line.contains("WARN"), "{line}");
    }
}

/// Writes a new certificate for `localhost`, and gives it.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// An upstream that says this to everybody. It ends with the test.
fn upstream(says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let length = says.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{says}"
            );
        }
    });
    address
}

/// What is answered to a client that trusts this certificate and no other.
fn get(from: SocketAddr, path: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(from));
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_hangup_exchanges_routes_and_certificate() {
    let folder = folder();
    let path = folder.path().join("bff.toml");
    let first = certify(folder.path());
    let config = std::fs::read_to_string(&path).unwrap();
    let tls = format!(
        "workers = 1\ntls_certificate_file = {:?}\ntls_key_file = {:?}\n",
        folder.path().join("tls.crt"),
        folder.path().join("tls.key")
    );
    let route = |prefix: &str, to: SocketAddr| {
        format!("[[route]]\nprefix = \"{prefix}\"\naccess = \"anonymous\"\nupstream = \"http://{to}\"\n")
    };
    let config = config.replace("workers = 1\n", &tls);
    let old = route("/old", upstream("the old route"));
    std::fs::write(&path, format!("{config}{old}")).unwrap();
    let program = Program::serve(folder.path());
    let address = address(&program);
    let answer = get(address, "/old", &first).unwrap();
    assert!(answer.ends_with("the old route"), "{answer}");
    let answer = get(address, "/new", &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    let second = certify(folder.path());
    let new = route("/new", upstream("the new route"));
    std::fs::write(&path, format!("{config}{new}")).unwrap();
    program.signal("-HUP");
    program.wait_for("the certificate was reloaded");
    program.wait_for("the routes were reloaded");

    assert!(
        get(address, "/new", &first).is_err(),
        "the old certificate is shown"
    );
    let answer = get(address, "/new", &second).unwrap();
    assert!(answer.ends_with("the new route"), "{answer}");
    let answer = get(address, "/old", &second).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
