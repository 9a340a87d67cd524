use ipnet::IpNet;
use resource_server::settings::Section;

use crate::http::Targets;

/// `[outbound]`: where this server may call.
pub(super) fn parse(mut section: Section<'_>) -> Option<Targets> {
    let texts = section.texts_or("allowed_networks", &[]);
    let allowed = texts.and_then(|texts| parse_networks(&section, &texts));
    section.finish();
    allowed.map(|allowed| Targets::new(&allowed))
}

fn parse_networks(section: &Section<'_>, texts: &[String]) -> Option<Vec<IpNet>> {
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(_) => {
                let key = format!("allowed_networks[{index}]");
                let rule = "must be a network such as \"10.1.0.0/16\" or \"::1/128\"";
                section.fault(&key, Some(format!("{text:?}")), rule);
            }
        }
    }
    (networks.len() == texts.len()).then_some(networks)
}
