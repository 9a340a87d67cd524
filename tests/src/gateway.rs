//! A real nginx in front of a BFF and of an application that asks it, as `docs/forward-auth.md` says.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use url::Url;

use crate::leash::{Leashed, start_on_free_port};
use crate::stack::{GATEWAY_SECRET, Stack};

/// An nginx that asks a BFF.
#[derive(Debug)]
pub struct Gateway(Nginx);

impl Gateway {
    /// Starts an nginx with the documented lines, in front of a stack's BFF and its upstream.
    ///
    /// # Panics
    /// When nginx is missing or does not start.
    pub async fn start(stack: &Stack) -> Self {
        let configure = async |_: &Path, port| (configuration(stack, port), ());
        let (nginx, ()) = Nginx::start(configure).await;
        Self(nginx)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.0.address
    }
}

/// An nginx that runs; it is gone once this is dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    _folder: TempDir,
    _process: Leashed,
}

impl Nginx {
    /// Starts one with the lines that `configure` gives for its section `http`, for a folder and a port. The second value
    /// is whatever else was made for that port.
    ///
    /// # Panics
    /// When nginx is missing or does not start.
    pub async fn start<T>(configure: impl AsyncFn(&Path, u16) -> (String, T)) -> (Self, T) {
        Self::start_with("", configure).await
    }

    /// The same with `ngx_http_js_module`, which Debian has in a package of its own.
    ///
    /// # Panics
    /// When nginx or the module is missing, or it does not start.
    pub async fn start_with_scripts<T>(configure: impl AsyncFn(&Path, u16) -> (String, T)) -> (Self, T) {
        let module = "/usr/lib/nginx/modules/ngx_http_js_module.so";
        assert!(
            Path::new(module).is_file(),
            "{module} is not installed: run `make test`, or `apt-get install libnginx-mod-http-js`"
        );
        Self::start_with(&format!("load_module {module};\n"), configure).await
    }

    async fn start_with<T>(modules: &str, configure: impl AsyncFn(&Path, u16) -> (String, T)) -> (Self, T) {
        let is_ready = |line: &str| line.contains("start worker process ");
        let (port, process, (folder, made)) = start_on_free_port(is_ready, async |port| {
            let folder = TempDir::new().expect("a temporary folder");
            let (lines, made) = configure(folder.path(), port).await;
            let file = folder.path().join("nginx.conf");
            fs::write(&file, format!("{modules}{}", around(&lines, folder.path())))
                .expect("a file in a temporary folder");
            let words = [nginx(), "-e", "stderr", "-c", &file.display().to_string()];
            (words.map(str::to_owned).to_vec(), (folder, made))
        })
        .await;
        let nginx = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            _folder: folder,
            _process: process,
        };
        (nginx, made)
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

fn configuration(stack: &Stack, port: u16) -> String {
    let upstream = Url::parse(stack.upstream().url()).expect("the upstream's address");
    let [map, locations] = documented();
    let locations = locations
        .replace("127.0.0.1:8080", &stack.bff_address().to_string())
        .replace("127.0.0.1:3000", upstream.authority())
        .replace("SECRET", GATEWAY_SECRET);
    format!("{map}\nserver {{\nlisten 127.0.0.1:{port};\n{locations}\n}}\n")
}

/// What surrounds the section `http` of an nginx that stays in the foreground and in its folder.
fn around(lines: &str, folder: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\nerror_log stderr notice;\npid {};\nevents {{}}\nhttp {{\n\
         access_log off;\n{places}{lines}}}\n",
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
