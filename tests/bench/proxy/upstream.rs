//! The API behind every contender: an nginx with answers that never change.

use std::fs;
use std::path::Path;

use e2e::gateway::nginx;
use e2e::leash::Leashed;
use tempfile::TempDir;

use crate::case::{Answer, BY_SIZE, HUGE};
use crate::cores::{Place, open_files, start_server};

/// 104 bytes, as a small API answers.
pub(crate) const SMALL: &str = r#"{"id":"5f0c3c1e","title":"Milk, bread, eggs","done":false,"updated":"2026-11-25T20:14:05Z","owner":"alice"}"#;
/// The path under which all of it is.
pub(crate) const PREFIX: &str = "/api";
/// Answers with the `Authorization` it was sent.
pub(crate) const AUTHORIZATION: &str = "/api/authorization";
/// Reads a body to its end, and answers with how long the request was.
pub(crate) const SINK: &str = "/api/sink";
/// Says how many requests there were.
const STATUS: &str = "/status";

#[derive(Debug)]
pub(crate) struct Upstream {
    port: u16,
    process: Leashed,
    _folder: TempDir,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_with(1, Place::Aside).await
    }

    pub(crate) async fn start_with(workers: u32, place: Place) -> Self {
        let is_ready = |line: &str| line.contains("start worker process ");
        let configure = async |port| configure(port, workers);
        let (port, process, folder) = start_server(place, &[nginx()], is_ready, configure).await;
        Self {
            port,
            process,
            _folder: folder,
        }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How many requests there were so far, this one included; one to [`SINK`] counts as two.
    pub(crate) async fn requests(&self) -> u64 {
        let client = reqwest::Client::builder().no_proxy().build();
        let address = format!("http://{}{STATUS}", self.authority());
        let answer = client.expect("an HTTP client").get(address).send().await;
        let text = answer.expect("the upstream answers").text().await;
        // The third line: connections accepted, connections handled, requests.
        let text = text.expect("a text");
        let requests = text
            .lines()
            .nth(2)
            .and_then(|line| line.split_whitespace().nth(2));
        requests
            .and_then(|number| number.parse().ok())
            .expect("nginx counts")
    }
}

fn configure(port: u16, workers: u32) -> (Vec<String>, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    e2e::apache::readable_for_workers(folder.path());
    let files = folder.path().join("files/api");
    fs::create_dir_all(&files).expect("a folder");
    for case in BY_SIZE {
        if let Answer::Bytes(size) = case.answer {
            let name = case.path.trim_start_matches("/api/");
            fs::write(files.join(name), "x".repeat(size)).expect("a file");
        }
    }
    // A file with nothing in it takes no room on the disk.
    let huge = fs::File::create(files.join("2g")).expect("a file");
    huge.set_len(HUGE as u64).expect("a sparse file");
    let file = folder.path().join("nginx.conf");
    let at = folder.path().display();
    let text = format!(
        r#"{head}
http {{
    {temporary}
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    # What is sent up is read to its end, in memory, before anything is answered.
    client_max_body_size 0;
    client_body_buffer_size 2m;
    upstream counter {{ server unix:{at}/counter; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        root {at}/files;
        location = /api/empty {{ return 204; }}
        location = /api/small {{ default_type application/json; return 200 '{SMALL}'; }}
        location = {STATUS} {{ stub_status; }}
        location = {AUTHORIZATION} {{ default_type text/plain; return 200 "$http_authorization"; }}
        location = {SINK} {{
            proxy_pass http://counter;
            proxy_http_version 1.1;
            proxy_method GET;
            proxy_pass_request_body off;
            proxy_pass_request_headers off;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_set_header X-Length $request_length;
        }}
    }}
    server {{
        listen unix:{at}/counter backlog=2048;
        location / {{ default_type text/plain; return 200 "$http_x_length"; }}
    }}
}}
"#,
        head = head(folder.path(), workers),
        temporary = temporary_places(folder.path()),
    );
    fs::write(&file, text).expect("a file");
    (arguments(&file), folder)
}

/// The first lines of an nginx whose workers may have many connections.
pub(crate) fn head(folder: &Path, workers: u32) -> String {
    // nginx has room for all of them from the start.
    let files = open_files().min(65_536);
    format!(
        "daemon off;\nworker_processes {workers};\nworker_rlimit_nofile {files};\nerror_log stderr notice;\npid {}/pid;\n\
         events {{ worker_connections {files}; }}",
        folder.display()
    )
}

/// Debian's nginx would use folders that only administrators may write to.
pub(crate) fn temporary_places(folder: &Path) -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", folder.join(kind).display()))
        .join(" ")
}

pub(crate) fn arguments(file: &Path) -> Vec<String> {
    let file = file.display().to_string();
    ["-e", "stderr", "-c", &file].map(str::to_owned).to_vec()
}
