//! The rules for the page's files, which a strict content security policy and careful readers rely on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn spa() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spa")
}

fn files_ending_with(ending: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(spa()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(ending) {
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!files.is_empty(), "no {ending} file");
    files
}

/// What stands between every `start` and the next `end`.
fn between<'t>(text: &'t str, start: &str, end: char) -> Vec<&'t str> {
    let parts = text.split(start).skip(1);
    parts
        .map(|part| part.split(end).next().unwrap_or_default())
        .collect()
}

fn page() -> String {
    fs::read_to_string(spa().join("index.html")).unwrap()
}

fn ids() -> BTreeSet<String> {
    between(&page(), " id=\"", '"')
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_has_no_inline_script_and_no_inline_style() {
    let page = page();
    assert!(
        between(&page, "<script", '>')
            .iter()
            .all(|tag| tag.contains(" src=\"/"))
    );
    assert!(page.contains("></script>"));
    for inline in [
        "<style",
        " style=",
        " onclick=",
        " onload=",
        " onsubmit=",
        "javascript:",
    ] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for ending in [".html", ".css", ".js"] {
        for (name, text) in files_ending_with(ending) {
            for outside in ["http:", "https:", "url(", "//cdn", "@import"] {
                assert!(!text.contains(outside), "{name}: {outside}");
            }
        }
    }
}

#[test]
fn data_never_becomes_markup_or_code_and_nothing_is_kept_in_the_browser() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "setItem",
        "document.cookie = ",
        "indexedDB.open",
    ];
    for (name, text) in files_ending_with(".js") {
        for word in forbidden {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn every_file_that_is_asked_for_exists() {
    let asked_by_page = between(&page(), "=\"/", '"')
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let files = asked_by_page.iter().filter(|path| path.contains('.'));
    for path in files {
        assert!(spa().join(path).is_file(), "index.html: {path}");
    }
    for (name, text) in files_ending_with(".js") {
        for path in between(&text, "from \"./", '"') {
            assert!(spa().join(path).is_file(), "{name}: {path}");
        }
    }
}

#[test]
fn every_element_that_a_script_looks_for_is_on_the_page() {
    let ids = ids();
    for (name, text) in files_ending_with(".js") {
        for id in between(&text, "byId(\"", '"') {
            assert!(ids.contains(id), "{name}: #{id}");
        }
    }
}

#[test]
fn the_ids_that_browser_tests_use_are_there() {
    let ids = ids();
    let used = [
        "sign-in",
        "sign-out",
        "who",
        "note-text",
        "note-add",
        "notes",
        "token-countdown",
        "session-countdown",
        "browser-holds",
        "server-trail",
        "sessions",
        "sign-out-everywhere",
        "message",
    ];
    for id in used {
        assert!(ids.contains(id), "#{id}");
    }
}
