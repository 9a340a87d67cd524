//! What the bench `proxy` makes of its figures: the committed file, the pages, the charts, and a comparison with what
//! is committed.
//!
//! `docs/benchmarks/proxy.json` is what was measured. Everything else is drawn from it, so that no figure on a page is
//! written by hand, and a test fails when a page says something else.

pub mod charts;
pub mod compare;
pub mod data;
pub mod markdown;
pub mod merge;
#[cfg(test)]
mod sample;
pub mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::data::Results;

const BEGIN: &str = "<!-- proxy: begin -->\n";
const END: &str = "<!-- proxy: end -->\n";
const NO_FIGURES: &str = "there are no committed figures: `-- --write` makes them";

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a member of the workspace")
        .to_owned()
}

/// The committed figures; none before the first run was written.
pub fn committed(root: &Path) -> Result<Option<Results>> {
    let path = figures(root);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let results = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(Some(results))
}

/// Puts a run into the committed figures ([`merge::merge`]) and draws pages and charts anew.
pub fn write(run: &Results, root: &Path) -> Result<()> {
    put(&merge::merge(committed(root)?.as_ref(), run)?, root)
}

/// Draws pages and charts of the committed figures anew, after the code that draws them was changed.
pub fn render(root: &Path) -> Result<()> {
    put(&committed(root)?.context(NO_FIGURES)?, root)
}

/// Sets a run against the committed figures; see [`compare::Comparison::holds`].
pub fn compare(run: &Results, root: &Path) -> Result<compare::Comparison> {
    let committed = committed(root)?.context(NO_FIGURES)?;
    Ok(compare::compare(&committed, run))
}

fn put(results: &Results, root: &Path) -> Result<()> {
    // All is drawn before anything is written, so that a fault leaves no half.
    let files = drawn(results, root)?;
    let path = figures(root);
    fs::create_dir_all(path.parent().context("the figures have a folder")?)?;
    fs::write(path, serde_json::to_string_pretty(results)? + "\n")?;
    for (path, text) in files {
        fs::write(root.join(path), text)?;
    }
    Ok(())
}

fn figures(root: &Path) -> PathBuf {
    root.join("docs/benchmarks/proxy.json")
}

/// What every file that shows the figures must hold.
fn drawn(results: &Results, root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for (page, text) in [
        ("docs/benchmarks.md", markdown::section(results)),
        ("README.md", markdown::summary(results)),
    ] {
        let old = fs::read_to_string(root.join(page)).with_context(|| page.to_owned())?;
        let new = between_marks(&old, &text).with_context(|| format!("{page} has no marks for it"))?;
        files.insert(page.into(), new);
    }
    for (id, svg) in charts::draw(results)? {
        files.insert(format!("docs/benchmarks/{id}.svg").into(), svg);
    }
    Ok(files)
}

fn between_marks(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace_with_marks() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("docs")).expect("a folder");
        for page in ["README.md", "docs/benchmarks.md"] {
            let text = format!("before\n{BEGIN}old\n{END}after\n");
            fs::write(root.path().join(page), text).expect("a page");
        }
        root
    }

    fn read(root: &Path, path: &str) -> String {
        fs::read_to_string(root.join(path)).expect("it is written")
    }

    #[test]
    fn a_run_is_written_read_compared_and_drawn_again() {
        let root = workspace_with_marks();
        let root = root.path();

        write(&sample::full(), root).expect("a sound run");

        let merged = merge::merge(None, &sample::full()).expect("a sound run");
        assert!(committed(root).expect("readable") == Some(merged));
        let page = read(root, "docs/benchmarks.md");
        assert!(
            page.starts_with(&format!("before\n{BEGIN}| | |\n")) && page.ends_with(&format!("{END}after\n"))
        );
        for image in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(
                read(root, &format!("docs/{image}")).starts_with("<svg "),
                "{image}"
            );
        }
        assert!(read(root, "README.md").contains("(docs/benchmarks/cpu.svg)"));
        assert!(compare(&sample::full(), root).expect("figures").holds());

        render(root).expect("figures");
        assert_eq!(page, read(root, "docs/benchmarks.md"));
    }

    #[test]
    fn a_run_that_is_refused_leaves_everything_as_it_was() {
        let root = workspace_with_marks();
        let mut run = sample::results();
        run.measurements[0].cpu_us = -1.0;

        write(&run, root.path()).expect_err("a refusal");

        assert_eq!(committed(root.path()).expect("readable"), None);
        assert!(read(root.path(), "README.md").contains("old"));
    }

    #[test]
    fn a_page_without_marks_is_not_written_over() {
        let root = workspace_with_marks();
        fs::write(root.path().join("README.md"), "all mine").expect("a page");

        write(&sample::results(), root.path()).expect_err("a refusal");

        assert_eq!(read(root.path(), "README.md"), "all mine");
        assert_eq!(committed(root.path()).expect("readable"), None);
    }

    #[test]
    fn without_committed_figures_nothing_holds() {
        let root = workspace_with_marks();

        compare(&sample::results(), root.path()).expect_err("nothing to compare with");
    }

    /// Fails when somebody changed a figure, a table, a chart or the code that draws them, and not the others.
    #[test]
    fn the_committed_pages_show_the_committed_figures() {
        let root = root();
        let committed = committed(&root).expect("readable");
        let expected = match &committed {
            Some(results) => drawn(results, &root).expect("they can be drawn"),
            None => ["docs/benchmarks.md", "README.md"]
                .map(|page| {
                    let empty = between_marks(&read(&root, page), "").expect("marks");
                    (page.into(), empty)
                })
                .into(),
        };

        for (path, text) in &expected {
            let found = fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(
                found == *text,
                "{} does not show what docs/benchmarks/proxy.json holds: `-- --render` draws it anew",
                path.display()
            );
        }
        for entry in fs::read_dir(root.join("docs/benchmarks")).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            let known = path.strip_prefix(&root).expect("below it");
            assert!(
                expected.contains_key(known) || path == figures(&root),
                "{}: nothing draws it",
                known.display()
            );
        }
    }
}
