//! The yardstick: nginx that forwards, and authenticates nobody.

use std::fs;

use tempfile::TempDir;

use super::Contender;
use crate::cores::{Place, start_server};
use crate::upstream::{PREFIX, Upstream, arguments, head, temporary_places};

pub(crate) const NAME: &str = "nginx";

/// Tuned: connections to both sides are kept, bodies go up as they come, answers are held in memory only. It writes its access
/// log, as the BFF does and both do by default; buffered, as the BFF's.
pub(crate) async fn start(upstream: &Upstream) -> Contender {
    start_with(upstream, 1, Place::OwnCore).await
}

/// The same with more workers, or elsewhere.
pub(crate) async fn start_with(upstream: &Upstream, workers: u32, place: Place) -> Contender {
    let configure = async |port: u16| {
        let folder = TempDir::new().expect("a temporary folder");
        let text = format!(
            r#"{head}
http {{
    {temporary}
    access_log {log} combined buffer=4k flush=1s;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_buffer_size 256k;
    upstream api {{
        server {upstream};
        keepalive 16384;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048{reuseport};
        location {PREFIX}/ {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering on;
            proxy_buffer_size 16k;
            proxy_buffers 16 64k;
            proxy_busy_buffers_size 128k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"#,
            head = head(folder.path(), workers),
            // Workers that share a queue take unevenly from it.
            reuseport = if workers > 1 { " reuseport" } else { "" },
            temporary = temporary_places(folder.path()),
            log = folder.path().join("access.log").display(),
            upstream = upstream.authority(),
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a file");
        (arguments(&file), folder)
    };
    let is_ready = |line: &str| line.contains("start worker process ");
    let (port, process, folder) = start_server(place, &[e2e::gateway::nginx()], is_ready, configure).await;
    Contender {
        name: NAME,
        port,
        process,
        session: None,
        store: None,
        _folder: folder,
    }
}
