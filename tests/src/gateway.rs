//! A real nginx in front of a BFF and of an application that asks it, as `docs/forward-auth.md` says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use url::Url;

use crate::leash::Leashed;
use crate::redis::free_port;
use crate::stack::{GATEWAY_SECRET, Stack};

/// An nginx that runs.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    _folder: TempDir,
    _process: Leashed,
}

impl Gateway {
    /// Starts an nginx with the documented lines, in front of a stack's BFF and its upstream.
    ///
    /// # Panics
    /// When nginx is missing or does not start.
    pub async fn start(stack: &Stack) -> Self {
        loop {
            let folder = TempDir::new().expect("a temporary folder");
            let port = free_port();
            let file = folder.path().join("nginx.conf");
            fs::write(&file, configuration(stack, folder.path(), port))
                .expect("a file in a temporary folder");
            let arguments = [Path::new("-e"), Path::new("stderr"), Path::new("-c"), &file];
            match Leashed::start(nginx(), &arguments, |line| line.contains("start worker process ")).await {
                Ok((process, _)) => {
                    return Self {
                        address: SocketAddr::from(([127, 0, 0, 1], port)),
                        _folder: folder,
                        _process: process,
                    };
                }
                // Another process took the port between our look and nginx's.
                Err(printed) if printed.contains("Address already in use") => {}
                Err(printed) => panic!("nginx did not start:\n{printed}"),
            }
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The program nginx: Debian keeps it where only administrators look.
pub fn nginx() -> &'static str {
    let place = "/usr/sbin/nginx";
    if Path::new(place).is_file() {
        place
    } else {
        "nginx"
    }
}

fn configuration(stack: &Stack, folder: &Path, port: u16) -> String {
    let upstream = Url::parse(stack.upstream().url()).expect("the upstream's address");
    let [map, locations] = documented();
    let locations = locations
        .replace("127.0.0.1:8080", &stack.bff_address().to_string())
        .replace("127.0.0.1:3000", upstream.authority())
        .replace("SECRET", GATEWAY_SECRET);
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\nerror_log stderr notice;\npid {};\nevents {{}}\nhttp {{\n\
         access_log off;\n{places}{map}\nserver {{\nlisten 127.0.0.1:{port};\n{locations}\n}}\n}}\n",
        folder.join("pid").display()
    )
}

/// The two pieces of nginx configuration in the documentation.
fn documented() -> [String; 2] {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/forward-auth.md");
    let text = fs::read_to_string(place).expect("docs/forward-auth.md");
    let blocks: Vec<String> = text
        .split("```nginx\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect();
    blocks
        .try_into()
        .expect("docs/forward-auth.md has two pieces for nginx")
}
