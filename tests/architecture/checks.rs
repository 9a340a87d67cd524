//! What the pages of checks promise, and the tests that keep it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A page of lines, each with an id, and the tests whose names begin with these ids.
pub(crate) struct Page {
    path: &'static str,
    /// Where each line has a test, which looks at the program from outside.
    stories: &'static str,
    /// Where it may have others.
    folders: &'static [&'static str],
    /// The kinds of lines: a test whose name begins like one of these is about a line.
    kinds: &'static [&'static str],
}

/// What is checked of the auth server.
pub(crate) const AUTH_SERVER: Page = Page {
    path: "docs/auth-server-checks.md",
    stories: "tests/auth-server",
    folders: &["auth-server/src", "auth-server/tests"],
    kinds: &[
        "at", "authz", "bcl", "cc", "disc", "idt", "int", "jwks", "login", "logout", "rev", "rt", "token",
        "ui", "x",
    ],
};

/// What is checked of the resource server.
pub(crate) const RESOURCE_SERVER: Page = Page {
    path: "docs/resource-server-checks.md",
    stories: "resource-server/tests",
    folders: &["resource-server/src"],
    kinds: &["rs"],
};

impl Page {
    /// Finds lines without a test, and tests whose line is not in the page.
    pub(crate) fn lines_and_tests_agree(&self, workspace: &Path) -> Vec<String> {
        let promised = promised(&self.text(workspace));
        let lines_in = |folder: &str| {
            let mut found = BTreeSet::new();
            each_source(&workspace.join(folder), &mut |text| {
                found.extend(text.lines().filter_map(|code| self.line_of(code)));
            });
            found
        };
        let told = lines_in(self.stories);
        let elsewhere = self.folders.iter().flat_map(|folder| lines_in(folder));
        let kept = told.iter().cloned().chain(elsewhere).collect::<BTreeSet<_>>();
        let (page, stories) = (self.path, self.stories);
        let untold = promised.difference(&told);
        let unknown = kept.difference(&promised);
        untold
            .map(|line| format!("`{line}_…`: {page} promises it, and no test in {stories} has that name"))
            .chain(unknown.map(|line| format!("`{line}_…`: a test has that name, and {page} no such line")))
            .collect()
    }

    /// Finds stories that reach for what they look at from outside: a library of this workspace that they may not name.
    pub(crate) fn stories_stay_outside(&self, workspace: &Path, libraries: &[&str]) -> Vec<String> {
        let mut findings = Vec::new();
        each_source(&workspace.join(self.stories), &mut |text| {
            for library in libraries {
                let called = text.lines().find(|line| {
                    line.contains(&format!("{library}::")) && !line.trim_start().starts_with("//")
                });
                findings.extend(
                    called
                        .map(|line| format!("{}: a story names {library}: `{}`", self.stories, line.trim())),
                );
            }
        });
        findings
    }

    /// Finds tests that the page names for the faults of others, and that are nowhere.
    pub(crate) fn named_tests_exist(&self, workspace: &Path) -> Vec<String> {
        let text = self.text(workspace);
        let section = text.split("## Faults of others").nth(1).expect("its section");
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
            .map(|test| format!("`{test}`: {} names it, and there is no such test", self.path))
            .collect()
    }

    fn text(&self, workspace: &Path) -> String {
        fs::read_to_string(workspace.join(self.path)).expect("a page of checks")
    }

    /// The line that a function is about: `authz_2b` of `async fn authz_2b_public_clients_need_pkce() {`, and `rs_19_3` of
    /// `fn rs_19_3_exp_missing(minter) {`.
    fn line_of(&self, code: &str) -> Option<String> {
        let code = code.trim_start();
        let name = code
            .strip_prefix("async fn ")
            .or_else(|| code.strip_prefix("fn "))?;
        let mut parts = name.split('_').peekable();
        let (kind, number) = (parts.next()?, parts.next()?);
        let is_line = self.kinds.contains(&kind) && number.starts_with(|char: char| char.is_ascii_digit());
        let part = parts.next_if(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        // Something has to follow: what the line says, in words.
        parts.next()?;
        is_line.then(|| match part {
            Some(part) => format!("{kind}_{number}_{part}"),
            None => format!("{kind}_{number}"),
        })
    }
}

/// The ids in the first columns, as names of tests have them.
fn promised(page: &str) -> BTreeSet<String> {
    let ids = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    ids.filter(|id| id.contains(|char: char| char.is_ascii_digit()))
        .map(|id| id.to_lowercase().replace(['-', '.'], "_"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_pages_and_names() {
        let page = "| id | norm |\n|---|---|\n| AUTHZ-2b | RFC |\n| X-10.3 | why |\nX-14 comes later.";
        assert_eq!(
            promised(page),
            BTreeSet::from(["authz_2b".to_owned(), "x_10_3".to_owned()])
        );
        let line_of = |code| AUTH_SERVER.line_of(code);
        assert_eq!(
            line_of("    async fn authz_2b_public() {").as_deref(),
            Some("authz_2b")
        );
        assert_eq!(line_of("fn x_10_users() {").as_deref(), Some("x_10"));
        assert_eq!(line_of("fn x_10_3_users(token) {").as_deref(), Some("x_10_3"));
        for other in [
            "fn token_endpoint() {",
            "fn at(x: u8) {",
            "fn rs_1_x() {",
            "let x_10_y = 1;",
        ] {
            assert_eq!(line_of(other), None, "{other}");
        }
    }
}
