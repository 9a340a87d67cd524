//! The access log of the program that serves: its lines may wait a moment, and none is left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::public::{address, address_in, connect};
use crate::{Program, bff, folder};

/// An upstream that tells of each request and answers it when it is let. It ends with the test.
struct Upstream {
    address: SocketAddr,
    asked: Receiver<()>,
    let_answer: Sender<()>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asks, asked) = mpsc::channel();
        let (let_answer, is_let) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                if asks.send(()).is_err() || is_let.recv().is_err() {
                    return;
                }
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            }
        });
        Self {
            address,
            asked,
            let_answer,
        }
    }

    /// Everybody may reach it below `/open`.
    fn as_route(&self, folder: &Path) {
        let path = folder.join("bff.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let to = self.address;
        let route =
            format!("[[route]]\nprefix = \"/open\"\naccess = \"anonymous\"\nupstream = \"http://{to}\"\n");
        std::fs::write(&path, config + &route).unwrap();
    }
}

fn ask(of: SocketAddr) -> TcpStream {
    let mut stream = connect(of);
    let request = "GET /open/a HTTP/1.1\r\nHost: localhost:8080\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[track_caller]
fn assert_served(mut stream: TcpStream) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"),
        "{answer}"
    );
}

#[test]
fn a_request_is_in_the_access_log_soon_and_a_last_one_before_the_program_ends() {
    let folder = folder();
    let upstream = Upstream::start();
    upstream.as_route(folder.path());
    let program = Program::serve(folder.path());
    let address = address(&program);
    upstream.let_answer.send(()).unwrap();
    assert_served(ask(address));
    let line = program.wait_for("bff::access");
    assert!(
        line.contains("request proxied method=\"GET\" route=\"/open\" status=200 duration_ms="),
        "{line}"
    );

    upstream.asked.recv().unwrap();
    let last = ask(address);
    upstream.asked.recv().unwrap();
    program.signal("-TERM");
    program.wait_for("the BFF finishes what is under way");
    upstream.let_answer.send(()).unwrap();
    assert_served(last);

    let rest: Vec<String> = program.log.iter().collect();
    let accesses = rest.iter().filter(|line| line.contains("bff::access")).count();
    assert_eq!(accesses, 1, "{rest:?}");
}

#[test]
fn a_log_that_nobody_reads_stops_no_request() {
    let folder = folder();
    let upstream = Upstream::start();
    upstream.as_route(folder.path());
    let mut command = bff();
    command.arg("--config").arg(folder.path().join("bff.toml"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    // With this line the reading end is closed.
    let listens = log
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("the BFF listens"));
    let address = address_in(&listens.unwrap());
    let program = Program {
        child,
        log: mpsc::channel().1,
    };
    for _ in 0..2 {
        upstream.let_answer.send(()).unwrap();
        assert_served(ask(address));
        // Told at once, into the void.
        program.signal("-HUP");
    }
    program.signal("-TERM");
    assert_eq!(program.exit_code(), Some(0));
}
