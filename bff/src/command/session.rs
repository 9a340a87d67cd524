//! `bff session list` and `bff session end`: clients of `/admin/sessions`, because a running BFF holds the embedded store.

mod http;
mod output;
mod target;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bff::session::SessionKey;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use url::Url;

use self::http::{Admin, Failure, Query};
use self::target::Target;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Lists sessions that live.
    List(ListArguments),
    /// Ends sessions, on every node at once.
    End(EndArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EndArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    node: NodeArguments,
    /// Does not ask before every session ends.
    #[arg(long)]
    yes: bool,
}

/// Which sessions: always said, and in one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Those of the user whom the provider calls so.
    #[arg(long, value_name = "SUB", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Those that began under the provider's session of this name.
    #[arg(long, value_name = "SID", value_parser = NonEmptyStringValueParser::new())]
    sid: Option<String>,
    /// The one that the log and the list call so.
    #[arg(long, value_name = "KEY", value_parser = session_key)]
    key: Option<SessionKey>,
    /// Every session there is.
    #[arg(long)]
    all: bool,
}

/// How the BFF is reached; without these, as its configuration file says.
#[derive(Debug, Args)]
struct NodeArguments {
    /// The management address of another BFF, such as http://10.0.0.5:8081.
    #[arg(long, value_parser = target::url)]
    url: Option<Url>,
    /// A file with the admin token, if not the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

fn session_key(text: &str) -> Result<SessionKey, &'static str> {
    SessionKey::parse(text).ok_or("is not the name of a session")
}

impl Which {
    fn query(&self) -> Query {
        let named = [
            ("user", self.user.as_deref()),
            ("sid", self.sid.as_deref()),
            ("key", self.key.as_ref().map(SessionKey::as_str)),
            ("all", self.all.then_some("true")),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())));
        named.collect()
    }
}

/// Carries out a command against the BFF that the configuration file, or the arguments, lead to.
#[expect(clippy::print_stderr, reason = "the faults of a file")]
pub(crate) fn run(command: &SessionCommand, config: &Path) -> anyhow::Result<ExitCode> {
    let (SessionCommand::List(ListArguments { node, .. }) | SessionCommand::End(EndArguments { node, .. })) =
        command;
    let target = match Target::find(config, node.url.as_ref(), node.token_file.as_deref()) {
        Ok(target) => target,
        Err(faults) => {
            eprintln!("bff: {faults}");
            return Ok(ExitCode::from(crate::EXIT_CONFIG));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = match command {
        SessionCommand::List(arguments) => runtime.block_on(list(arguments, target)),
        SessionCommand::End(arguments) => {
            if arguments.which.all && !arguments.yes {
                confirm(
                    &target,
                    io::stdin().is_terminal(),
                    &mut io::stdin().lock(),
                    &mut io::stderr(),
                )?;
            }
            runtime.block_on(end(arguments, target))
        }
    };
    match done {
        // Whoever reads only the beginning of a list has what they wanted.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        done => Ok(done.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Asks a person whether every session is to end. A program has to say so by `--yes`.
fn confirm(
    target: &Target,
    is_terminal: bool,
    person: &mut impl BufRead,
    prompt: &mut impl Write,
) -> anyhow::Result<()> {
    if !is_terminal {
        anyhow::bail!("nothing was ended: without a terminal to ask at, --all needs --yes");
    }
    write!(
        prompt,
        "This signs everybody out at {}. Type yes to go on: ",
        target.url
    )?;
    prompt.flush()?;
    let mut answer = String::new();
    person.read_line(&mut answer)?;
    if answer.trim() != "yes" {
        anyhow::bail!("nothing was ended");
    }
    Ok(())
}

async fn list(arguments: &ListArguments, target: Target) -> Result<(), Failure> {
    let admin = Admin::new(target)?;
    let query = arguments.which.query();
    let mut output = output::List::begin(io::stdout().lock(), arguments.node.json)?;
    let mut after = None;
    loop {
        let page = admin.page(&query, after.as_deref()).await?;
        output.add(&page.sessions)?;
        after = page.next;
        if after.is_none() {
            return output.finish(&mut io::stderr());
        }
    }
}

async fn end(arguments: &EndArguments, target: Target) -> Result<(), Failure> {
    let admin = Admin::new(target)?;
    let ended = admin.end(&arguments.which.query()).await?;
    output::ended(&mut io::stdout(), arguments.node.json, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(is_terminal: bool, typed: &str) -> (bool, String) {
        let url = target::url("http://10.0.0.5:8081").unwrap();
        let target = Target::for_tests(url);
        let mut prompt = Vec::new();
        let confirmed = confirm(&target, is_terminal, &mut typed.as_bytes(), &mut prompt);
        (confirmed.is_ok(), String::from_utf8(prompt).unwrap())
    }

    #[test]
    fn a_person_types_the_whole_word_and_sees_where() {
        let (confirmed_, prompt) = confirmed(true, "yes\n");
        assert!(confirmed_);
        assert!(prompt.contains("http://10.0.0.5:8081"), "{prompt}");
        for typed in ["", "\n", "y\n", "no\n", "YES please\n"] {
            assert!(!confirmed(true, typed).0, "{typed:?}");
        }
    }

    #[test]
    fn a_program_is_not_asked_and_not_believed() {
        assert_eq!(confirmed(false, "yes\n"), (false, String::new()));
    }
}
