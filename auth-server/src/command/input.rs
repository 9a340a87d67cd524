//! What is asked for: never an argument, since those are seen by everybody on the machine.

use std::io::{self, BufRead, IsTerminal as _, Write};

use secrecy::SecretString;
use zeroize::Zeroizing;

/// Asks for a new password, twice; without a terminal it is the first line of standard input.
pub(super) fn ask_password() -> anyhow::Result<SecretString> {
    if !io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line)?;
        return Ok(SecretString::from(line.trim_end_matches(['\n', '\r'])));
    }
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let second = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    anyhow::ensure!(*first == *second, "the two passwords differ");
    Ok(SecretString::from(first.as_str()))
}

/// Asks before something that cannot be taken back; where nobody can be asked, `--yes` has to have been said.
pub(super) fn confirm(question: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        io::stdin().is_terminal(),
        "{question} Nobody can be asked here: say --yes"
    );
    confirm_by(question, &mut io::stdin().lock(), &mut io::stderr())
}

fn confirm_by(question: &str, input: &mut impl BufRead, output: &mut impl Write) -> anyhow::Result<()> {
    write!(output, "{question} [y/N] ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    anyhow::ensure!(
        ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()),
        "nothing was done"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (answer, is_yes) in [
            ("y\n", true),
            ("YES\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
        ] {
            let mut asked = Vec::new();
            let outcome = confirm_by("Really?", &mut answer.as_bytes(), &mut asked);
            assert_eq!(outcome.is_ok(), is_yes, "{answer:?}");
            assert_eq!(asked, b"Really? [y/N] ");
        }
    }
}
