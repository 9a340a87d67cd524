//! `session-writer FILE RING`: writes sessions to an embedded store until it is killed, and says what was answered.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file, ring] = arguments.as_slice() else {
        anyhow::bail!("session-writer FILE RING");
    };
    e2e::story::run(e2e::writer::write_until_killed(Path::new(file), ring));
    Ok(())
}
