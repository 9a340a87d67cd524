use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use crate::settings::Section;

/// `[log]`: how the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// Which lines are written, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be \"text\" or \"json\""),
        }
    }
}

impl LogConfig {
    pub(super) fn read(mut log: Section<'_>) -> Option<Self> {
        let format = log.parsed_or("format", "text", str::parse);
        let filter = log.parsed_or("filter", "info", filter);
        log.finish();
        Some(Self {
            format: format?,
            filter: filter?,
        })
    }
}

fn filter(text: &str) -> Result<String, &'static str> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a log filter such as \"info\" or \"warn,resource_server=debug\""),
    }
}
