//! How long a file may be.

use std::fs;
use std::path::Path;

/// No file is longer than this; a test block of its own file counts as a file.
const LONGEST: usize = 450;

/// Finds files that have grown beyond what one reads at a sitting.
pub(crate) fn files_are_short(folder: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                findings.extend(files_are_short(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path)
                .expect("sources are readable text")
                .lines()
                .count();
            if lines > LONGEST {
                findings.push(format!("{}: {lines} lines, more than {LONGEST}", path.display()));
            }
        }
    }
    findings
}
