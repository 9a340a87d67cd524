//! The programs of this workspace, for tests of other packages than theirs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Builds a program as `cargo test` builds it for its own test `test`, and says where it is. `cargo build` would leave out
/// the features that tests add, and build the workspace and half of its dependencies once more.
///
/// # Panics
/// When it cannot be built.
pub fn built_for(test: &str, program: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--no-run", "--test", test])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout).expect("cargo writes text");
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            let target = &message["target"];
            target["name"] == program && target["kind"] == json!(["bin"])
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo says where the program is")
}
