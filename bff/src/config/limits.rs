use resource_server::settings::Section;

use crate::guard::rate_limit::Rate;

/// `[limits]`: how much one client, or all of them, may ask of this node.
#[derive(Debug)]
pub struct LimitsConfig {
    /// Logins begun or ended, for each client address.
    pub login_per_address: Option<Rate>,
    /// Calls to routes, for each client address.
    pub api_per_address: Option<Rate>,
    /// Calls to routes, for each session.
    pub api_per_session: Option<Rate>,
    /// Logins that are being completed at the provider at a time.
    pub concurrent_logins: usize,
}

impl LimitsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let login_per_address = section.parsed_or("login_per_address", "600/1m", Rate::parse);
        let api_per_address = section.parsed_or("api_per_address", "off", Rate::parse);
        let api_per_session = section.parsed_or("api_per_session", "off", Rate::parse);
        let concurrent_logins = section.number_or("concurrent_logins", 64, 1..=10_000);
        section.finish();

        Some(Self {
            login_per_address: login_per_address?,
            api_per_address: api_per_address?,
            api_per_session: api_per_session?,
            concurrent_logins: usize::try_from(concurrent_logins?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ServerConfig, cors};
    use resource_server::settings::{Document, Faults};

    /// The faults of the sections that say who is believed, who may call, and how often.
    fn faults_of(text: &str) -> Vec<String> {
        let faults = Faults::default();
        let document = Document::parse(text, &|_| None).unwrap();
        let mut root = document.root(&faults);
        let server = ServerConfig::read(root.section("server"));
        let cors = cors::read(root.section("cors"));
        let limits = LimitsConfig::read(root.section("limits"));
        root.finish();
        let read = server.zip(cors).zip(limits);
        match faults.into_result(read) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.list().iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn each_network_origin_and_rate_is_judged() {
        let good = "[server]\npublic_url = \"http://localhost\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
                    [cors]\nallowed_origins = [\"https://app.example.com\"]\n\
                    [limits]\nlogin_per_address = \"off\"\napi_per_session = \"50/1s\"\n";
        assert_eq!(faults_of(good), Vec::<String>::new());
        let bad = "[server]\npublic_url = \"http://localhost\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::/0\"]\n\
                   client_address_header = \"x-real-ip\"\n\
                   [cors]\nallowed_origins = [\"*\", \"https://app.example.com/\"]\n\
                   [limits]\nlogin_per_address = \"0/1m\"\napi_per_session = \"1/2d\"\nconcurrent_logins = 0\n";
        let faults = faults_of(bad);
        for key in [
            "server.trusted_proxies[1]",
            "server.client_address_header",
            "cors.allowed_origins[0]",
            "cors.allowed_origins[1]",
            "limits.login_per_address",
            "limits.api_per_session",
            "limits.concurrent_logins",
        ] {
            let told = faults.iter().filter(|fault| fault.starts_with(key)).count();
            assert_eq!(told, 1, "{key} in {faults:#?}");
        }
        assert_eq!(faults.len(), 7, "{faults:#?}");
    }
}
