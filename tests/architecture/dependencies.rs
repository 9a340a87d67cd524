//! What may be depended on, read from the manifests and the lock file; licences and advisories are in `deny.toml`.

use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

struct Package {
    name: String,
    version: String,
}

/// Whether a crate's manifest depends on another.
pub(crate) fn names(workspace: &Path, krate: &str, other: &str) -> bool {
    let manifest = table(&workspace.join(krate).join("Cargo.toml"));
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .any(|kind| {
            manifest
                .get(*kind)
                .and_then(Value::as_table)
                .is_some_and(|table| table.contains_key(other))
        })
}

/// Finds locked packages that must not be there.
pub(crate) fn forbidden(workspace: &Path) -> Vec<String> {
    let packages = locked(workspace);
    let mut findings = Vec::new();
    for Package { name, version } in &packages {
        let complaint = match name.as_str() {
            "openssl" | "openssl-sys" | "native-tls" => Some("the workspace has one TLS library, rustls"),
            "h2" if older(version, &[0, 4, 16]) => Some("this h2 can be flooded (RUSTSEC-2026-0258)"),
            "jsonwebtoken" if older(version, &[10, 3]) => {
                Some("this jsonwebtoken takes a claim of the wrong type for an absent one (CVE-2026-25537)")
            }
            "redis" if older(version, &[1]) => {
                Some("this redis comes with actix-session's store, which revives sessions")
            }
            _ => None,
        };
        findings.extend(complaint.map(|complaint| format!("Cargo.lock: {name} {version}: {complaint}")));
    }
    for single in [
        "rustls",
        "redis",
        "deadpool-redis",
        "jsonwebtoken",
        "aws-lc-rs",
        "actix-web",
        "tokio",
        "hyper",
    ] {
        let versions: Vec<_> = packages.iter().filter(|package| package.name == single).collect();
        if versions.len() != 1 {
            findings.push(format!(
                "Cargo.lock: {} versions of {single}, not one",
                versions.len()
            ));
        }
    }
    findings
}

/// Finds crates that the lock file may mention, as an option nobody takes, but that must not be built.
pub(crate) fn built_but_forbidden(workspace: &Path) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--edges",
            "all",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
            "--offline",
        ])
        .current_dir(workspace)
        .output()
        .expect("cargo runs");
    assert!(
        tree.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).expect("cargo prints text");
    let built: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(built.contains(&"rustls"), "the tree is read wrongly: {tree}");
    let forbidden = ["ring", "openssl", "native-tls", "actix-governor", "rsa"];
    let found = forbidden.iter().filter(|name| built.contains(name));
    found
        .map(|name| format!("cargo tree -i {name}: it is built, and the one crypto provider is aws-lc-rs"))
        .collect()
}

/// Finds lines of the shared table that do not say what they are for.
pub(crate) fn without_reason(workspace: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("the workspace's manifest");
    let mut findings = Vec::new();
    let mut in_table = false;
    let mut reason = false;
    for (number, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            in_table = line == "[workspace.dependencies]";
        } else if in_table && line.starts_with('#') {
            reason = !line.starts_with("# ---");
            continue;
        } else if in_table && line.contains('=') && !line.contains("path =") && !reason {
            let name = line.split('=').next().unwrap_or_default().trim();
            findings.push(format!(
                "Cargo.toml:{}: {name} has no reason in the line above it",
                number + 1
            ));
        }
        reason = false;
    }
    for krate in ["bff", "auth-server", "resource-server", "demo", "tests"] {
        findings.extend(outside_the_table(workspace, krate));
    }
    findings
}

/// Dependencies that a member declares by itself have no reason and no common version.
fn outside_the_table(workspace: &Path, krate: &str) -> Vec<String> {
    let manifest = table(&workspace.join(krate).join("Cargo.toml"));
    let mut findings = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in manifest.get(kind).and_then(Value::as_table).into_iter().flatten() {
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings.push(format!(
                    "{krate}/Cargo.toml: {name} is not taken from the workspace's table"
                ));
            }
        }
    }
    findings
}

/// Finds addresses in a package-lock.json, which are those of whoever wrote it.
pub(crate) fn machine_specific(lock_file: &Path) -> Vec<String> {
    let text = fs::read_to_string(lock_file).expect("a lock file of npm");
    let resolved = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("\"resolved\""));
    resolved
        .map(|(number, line)| format!("{}:{}: {}", lock_file.display(), number + 1, line.trim()))
        .collect()
}

fn locked(workspace: &Path) -> Vec<Package> {
    let lock = table(&workspace.join("Cargo.lock"));
    let packages = lock["package"].as_array().expect("the lock file lists packages");
    let text = |package: &Value, key: &str| {
        package[key]
            .as_str()
            .expect("packages have names and versions")
            .to_owned()
    };
    packages
        .iter()
        .map(|package| Package {
            name: text(package, "name"),
            version: text(package, "version"),
        })
        .collect()
}

fn older(version: &str, than: &[u64]) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.as_slice() < than
}

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(older("0.3.27", &[0, 4, 16]));
        assert!(older("0.4.9", &[0, 4, 16]));
        assert!(!older("0.4.20", &[0, 4, 16]));
        assert!(!older("1.8.1", &[1]));
        assert!(older("0.32.0", &[1]));
    }
}
