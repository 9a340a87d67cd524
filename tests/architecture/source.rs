//! The source files of a crate.

use std::fs;
use std::path::{Path, PathBuf};

use crate::grammar::{Named, names_outside_of_tests};

/// A source file and what it names outside of its tests.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the workspace's root: `bff/src/session/ticket.rs`.
    pub(crate) path: String,
    /// The modules from the crate's root to this file: `["session", "ticket"]`.
    pub(crate) modules: Vec<String>,
    pub(crate) named: Vec<Named>,
}

impl Source {
    /// The capability this file belongs to: the first folder below `src`, or the file there.
    pub(crate) fn room(&self) -> Option<&str> {
        self.modules.first().map(String::as_str)
    }

    /// Whether it is one of these, or below one of these; paths below `src`, without `.rs`.
    pub(crate) fn is_at(&self, homes: &[&str]) -> bool {
        let place = self.modules.join("/");
        homes
            .iter()
            .any(|home| place == *home || place.starts_with(&format!("{home}/")))
    }

    pub(crate) fn read(path: String, modules: Vec<String>, text: &str) -> Self {
        let named = names_outside_of_tests(text, &modules);
        Self { path, modules, named }
    }
}

/// Every source file of a crate that is not a test.
pub(crate) fn sources_of(workspace: &Path, krate: &str) -> Vec<Source> {
    let root = workspace.join(krate).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "{} has no sources", root.display());
    let mut sources = Vec::new();
    for file in files {
        let modules = modules_of(file.strip_prefix(&root).expect("files are below the root"));
        if modules
            .iter()
            .any(|module| module == "tests" || module == "test_support")
        {
            continue;
        }
        let text = fs::read_to_string(&file).expect("sources are readable text");
        let path = file
            .strip_prefix(workspace)
            .expect("files are below the workspace");
        sources.push(Source::read(path.display().to_string(), modules, &text));
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn modules_of(file: &Path) -> Vec<String> {
    let mut modules: Vec<_> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if matches!(modules.last().map(String::as_str), Some("lib" | "main")) {
        modules.pop();
    }
    modules
}

/// A file of the BFF as the rules' own tests need it.
#[cfg(test)]
pub(crate) fn bff_file(path: &str, text: &str) -> Source {
    let modules = path.split('/').map(str::to_owned).collect();
    Source::read(format!("bff/src/{path}.rs"), modules, text)
}
