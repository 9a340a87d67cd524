use std::path::PathBuf;

use resource_server::settings::Section;

use crate::routing::{NormalPath, Upstream};

/// `[spa]`: the files of the page itself.
#[derive(Debug)]
pub struct SpaConfig {
    /// The folder with `index.html`; none means that the page comes from elsewhere.
    pub directory: Option<PathBuf>,
    /// A development server that has the page instead.
    pub dev_server: Option<Upstream>,
    /// The path below which file names hold hashes of the content, such as `/assets`; empty if there is none.
    pub hashed_files: String,
    /// The Content-Security-Policy of its pages, which can stand in a header.
    pub content_security_policy: String,
}

/// Scripts, styles and connections of this origin only; no framing, no plug-ins, forms go nowhere else.
const DEFAULT_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'";

impl SpaConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        if section.has("directory") && section.has("dev_server") {
            section.fault(
                "dev_server",
                None,
                "stands beside spa.directory: the page is in one of them",
            );
        }
        let directory = section.optional_parsed("directory", |text| {
            let path = PathBuf::from(text);
            if path.join("index.html").is_file() {
                Ok(path)
            } else {
                Err("must be a folder with an index.html")
            }
        });
        let dev_server = section.optional_parsed("dev_server", Upstream::parse);
        let hashed_files = section.parsed_or("hashed_files", "/assets", hashed_files);
        let policy = section.parsed_or("content_security_policy", DEFAULT_POLICY, policy);
        section.finish();
        Some(Self {
            directory: directory?,
            dev_server: dev_server?,
            hashed_files: hashed_files?,
            content_security_policy: policy?,
        })
    }
}

fn hashed_files(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    match NormalPath::parse(text) {
        Ok(path) if path.as_str() == text => Ok(text.to_owned()),
        Err(_) if text.is_empty() => Ok(String::new()),
        _ => Err("must be a path such as /assets in its plain form, or empty"),
    }
}

fn policy(text: &str) -> Result<String, &'static str> {
    let printable = !text.is_empty() && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if printable {
        Ok(text.to_owned())
    } else {
        Err("must be printable ASCII on one line")
    }
}
