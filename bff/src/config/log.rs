use resource_server::settings::Section;
use tracing_subscriber::EnvFilter;

/// `[log]`: what the program tells.
#[derive(Debug)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// Which events, in the syntax of `EnvFilter`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Two libraries tell at `info` what is of no use to operators: each request without a cookie, each worker that starts. A third
/// tells as an error what any stranger can cause; the listener counts it instead.
const DEFAULT_FILTER: &str = "info,actix_session=warn,actix_server=warn,actix_http=off";

impl LogConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let format = section.parsed_or("format", "text", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\""),
        });
        let filter = section.parsed_or("filter", DEFAULT_FILTER, |text| match EnvFilter::try_new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        });
        section.finish();
        Some(Self {
            format: format?,
            filter: filter?,
        })
    }
}
