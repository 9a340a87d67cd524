//! What `docs/auth-server-checks.md` promises, and the tests that keep it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The kinds of lines: a test whose name begins like one of these is about a line.
const KINDS: [&str; 15] = [
    "at", "authz", "bcl", "cc", "disc", "idt", "int", "jwks", "login", "logout", "rev", "rt", "token", "ui",
    "x",
];

/// Finds lines without a test, and tests whose line is not in the page.
pub(crate) fn lines_and_tests_agree(workspace: &Path) -> Vec<String> {
    let page = workspace.join("docs/auth-server-checks.md");
    let promised = promised(&fs::read_to_string(page).expect("docs/auth-server-checks.md"));
    let mut kept = BTreeSet::new();
    for folder in ["auth-server/src", "auth-server/tests"] {
        each_source(&workspace.join(folder), &mut |text| {
            kept.extend(text.lines().filter_map(line_of));
        });
    }
    let untested = promised.difference(&kept);
    let unknown = kept.difference(&promised);
    untested
        .map(|line| format!("`{line}_…`: docs/auth-server-checks.md promises it, and no test has that name"))
        .chain(unknown.map(|line| {
            format!("`{line}_…`: a test has that name, and docs/auth-server-checks.md no such line")
        }))
        .collect()
}

/// Finds tests that the page names for the faults of others, and that are nowhere.
pub(crate) fn named_tests_exist(workspace: &Path) -> Vec<String> {
    let page = fs::read_to_string(workspace.join("docs/auth-server-checks.md")).expect("the page of checks");
    let section = page.split("## Faults of others").nth(1).expect("its section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "));
    let named: Vec<_> = rows
        .flat_map(|(_, tests)| tests.split(", "))
        .filter_map(|test| test.strip_prefix('`')?.strip_suffix('`'))
        .collect();
    assert!(!named.is_empty(), "the section names tests");
    let mut texts = Vec::new();
    for folder in ["auth-server", "resource-server", "tests"] {
        each_source(&workspace.join(folder), &mut |text| texts.push(text));
    }
    named
        .into_iter()
        .filter(|test| !texts.iter().any(|text| text.contains(&format!("fn {test}("))))
        .map(|test| format!("`{test}`: docs/auth-server-checks.md names it, and there is no such test"))
        .collect()
}

/// The ids in the first columns, as names of tests have them.
fn promised(page: &str) -> BTreeSet<String> {
    let ids = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    ids.filter(|id| id.contains(|char: char| char.is_ascii_digit()))
        .map(|id| id.to_lowercase().replace('-', "_"))
        .collect()
}

fn each_source(folder: &Path, look: &mut impl FnMut(String)) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                each_source(&path, look);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(fs::read_to_string(&path).expect("sources are readable text"));
        }
    }
}

/// The line that a function is about: `authz_2b` of `async fn authz_2b_public_clients_need_pkce() {`.
fn line_of(code: &str) -> Option<String> {
    let code = code.trim_start();
    let name = code
        .strip_prefix("async fn ")
        .or_else(|| code.strip_prefix("fn "))?;
    let mut parts = name.split('_');
    let (kind, number) = (parts.next()?, parts.next()?);
    let is_number = number.starts_with(|char: char| char.is_ascii_digit());
    // Something has to follow: what the line says, in words.
    let has_words = parts.next().is_some();
    (KINDS.contains(&kind) && is_number && has_words).then(|| format!("{kind}_{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_pages_and_names() {
        let page = "| id | norm |\n|---|---|\n| AUTHZ-2b | RFC |\n| X-10 | why |\nX-14 comes later.";
        assert_eq!(
            promised(page),
            BTreeSet::from(["authz_2b".to_owned(), "x_10".to_owned()])
        );
        assert_eq!(
            line_of("    async fn authz_2b_public() {").as_deref(),
            Some("authz_2b")
        );
        assert_eq!(line_of("fn x_10_users() {").as_deref(), Some("x_10"));
        for other in ["fn token_endpoint() {", "fn at(x: u8) {", "let x_10_y = 1;"] {
            assert_eq!(line_of(other), None, "{other}");
        }
    }
}
