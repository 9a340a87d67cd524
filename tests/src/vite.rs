//! A page that a developer works on: npm `vite`, with its development server.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::leash::Leashed;
use crate::wait::within_patience;

/// Keeps hold of the page's WebSockets, so that a test can see where they lead.
const INDEX: &str = r#"<!DOCTYPE html>
<html lang="en">
<title>The page</title>
<script>
  const Original = WebSocket;
  window.sockets = [];
  window.WebSocket = class extends Original {
    constructor(...how) { super(...how); sockets.push(this); }
  };
</script>
<p id="greeting">nothing yet</p>
<script type="module" src="/main.js"></script>
</html>
"#;

const MAIN: &str = r"import { greeting } from './greeting.js';
const show = text => { document.querySelector('#greeting').textContent = text; };
show(greeting);
import.meta.hot.accept('./greeting.js', changed => show(changed.greeting));
";

/// The running server.
#[derive(Debug)]
pub struct Vite {
    address: String,
    page: TempDir,
    _process: Leashed,
}

impl Vite {
    /// Starts it on a page that greets with this text.
    ///
    /// # Panics
    /// When Node or the package is missing, or it does not start.
    pub async fn start(greeting: &str) -> Self {
        let program = folder().join("node_modules/vite/bin/vite.js");
        assert!(
            program.is_file(),
            "npm vite is not installed: run `make test`, or `npm ci` in {}",
            folder().display()
        );
        let page = TempDir::new().expect("a temporary folder");
        fs::write(page.path().join("index.html"), INDEX).expect("the page");
        fs::write(page.path().join("main.js"), MAIN).expect("the page's script");
        write_greeting(page.path(), greeting);
        let arguments = [
            // Neither colours nor an end when its standard input ends.
            "NO_COLOR=1".as_ref(),
            "CI=true".as_ref(),
            "node".as_ref(),
            program.as_os_str(),
            page.path().as_os_str(),
            "--host".as_ref(),
            "127.0.0.1".as_ref(),
            "--port".as_ref(),
            "0".as_ref(),
        ];
        let started = Leashed::start("env", &arguments, |line| address_in(line).is_some());
        let (process, printed) = within_patience("vite is ready", started)
            .await
            .unwrap_or_else(|printed| panic!("vite did not start:\n{printed}"));
        let address = printed.lines().find_map(address_in);
        Self {
            address: address.expect("vite says where it listens"),
            page,
            _process: process,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes the page's text, as a developer who saves a file.
    pub fn greet_with(&self, greeting: &str) {
        write_greeting(self.page.path(), greeting);
    }
}

fn write_greeting(page: &Path, greeting: &str) {
    fs::write(
        page.join("greeting.js"),
        format!("export const greeting = {greeting:?};\n"),
    )
    .expect("the page's greeting");
}

fn address_in(line: &str) -> Option<String> {
    let (_, address) = line.split_once("Local:")?;
    Some(address.trim().trim_end_matches('/').to_owned())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vite")
}
