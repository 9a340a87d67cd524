//! Where events go: a server tells everything on standard output, a command its events of the audit trail on standard
//! error.

use std::io::{self, IsTerminal as _};

use auth_server::AUDIT_TARGET;
use auth_server::config::LogConfig;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(super) fn start_for_server(log: &LogConfig) -> anyhow::Result<()> {
    start(
        log,
        &with_audit(&log.filter),
        io::stdout,
        io::stdout().is_terminal(),
    )
}

pub(super) fn start_for_command(log: &LogConfig) -> anyhow::Result<()> {
    let filter = audit_alone(&log.filter);
    start(log, &filter, io::stderr, io::stderr().is_terminal())
}

fn start<W>(log: &LogConfig, filter: &str, writer: W, is_terminal: bool) -> anyhow::Result<()>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(writer)
        .with_ansi(is_terminal);
    let started = if log.json {
        lines.json().finish().try_init()
    } else {
        lines.finish().try_init()
    };
    started.map_err(|error| anyhow::anyhow!("the log could not be started: {error}"))
}

/// Whoever wants fewer lines seldom wants no trail: a filter leaves it alone unless it names it.
fn with_audit(filter: &str) -> String {
    if directives_on_audit(filter).next().is_some() {
        return filter.to_owned();
    }
    format!("{filter},{AUDIT_TARGET}=info")
}

/// Nothing but the trail, and of that what the filter says.
fn audit_alone(filter: &str) -> String {
    let named: Vec<_> = directives_on_audit(filter).collect();
    if named.is_empty() {
        return format!("off,{AUDIT_TARGET}=info");
    }
    format!("off,{}", named.join(","))
}

fn directives_on_audit(filter: &str) -> impl Iterator<Item = &str> {
    filter
        .split(',')
        .map(str::trim)
        .filter(|directive| directive.starts_with(AUDIT_TARGET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_stays_unless_the_filter_names_it() {
        assert_eq!(with_audit("warn"), "warn,auth_server::audit=info");
        assert_eq!(
            with_audit("info, auth_server::audit=off"),
            "info, auth_server::audit=off"
        );
        assert_eq!(audit_alone("trace"), "off,auth_server::audit=info");
        assert_eq!(
            audit_alone("info,auth_server::audit=off"),
            "off,auth_server::audit=off"
        );
    }
}
