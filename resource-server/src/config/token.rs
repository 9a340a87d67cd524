use std::time::Duration;

use super::{Issuer, StatusUse};
use crate::settings::Section;
use crate::verifier::Algorithm;

/// `[token]`: which access tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// What this API is called: in `aud`, in challenges and in its metadata.
    pub audience: String,
    /// How far an issuer's clock and ours may differ.
    pub leeway: Duration,
    /// Whose tokens are accepted; at least one, and nobody twice.
    pub issuers: Vec<IssuerConfig>,
}

/// One of those whose access tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its name.
    pub issuer: Issuer,
    /// What its tokens have to name in `aud`.
    pub audience: String,
    /// What its tokens may be signed with; at least one.
    pub algorithms: Vec<Algorithm>,
    /// What the status of its tokens is to this API.
    pub status: StatusUse,
}

impl TokenConfig {
    /// `status` is what holds for an issuer that says nothing else.
    pub(super) fn read(mut token: Section<'_>, over_http: bool, status: StatusUse) -> Option<Self> {
        let several = token.has("issuers");
        let one = if several {
            token.refuse("issuer", "must not be set together with token.issuers");
            None
        } else {
            token.parsed("issuer", |text| Issuer::parse(text, over_http))
        };
        let audience = token.parsed("audience", audience);
        let algorithms = algorithms(&mut token, &Algorithm::ALL);
        let leeway = token.duration_or(
            "leeway",
            Duration::from_secs(5),
            Duration::ZERO..=Duration::from_secs(300),
        );
        // Faults of these two are noted; with anything in their place those of the issuers are found as well.
        let of_all = Defaults {
            over_http,
            audience: audience.clone().unwrap_or_default(),
            algorithms: algorithms.clone().unwrap_or_default(),
            status,
        };
        let issuers = if several {
            read_several(&mut token, &of_all)
        } else {
            one.map(|issuer| vec![of_all.issuer(issuer)])
        };
        token.finish();
        audience?;
        algorithms?;
        Some(Self {
            audience: of_all.audience,
            leeway: leeway?,
            issuers: issuers?,
        })
    }
}

/// What holds for an issuer that says nothing else.
struct Defaults {
    over_http: bool,
    audience: String,
    algorithms: Vec<Algorithm>,
    status: StatusUse,
}

impl Defaults {
    fn issuer(&self, issuer: Issuer) -> IssuerConfig {
        IssuerConfig {
            issuer,
            audience: self.audience.clone(),
            algorithms: self.algorithms.clone(),
            status: self.status,
        }
    }
}

/// `[[token.issuers]]`.
fn read_several(token: &mut Section<'_>, defaults: &Defaults) -> Option<Vec<IssuerConfig>> {
    let sections = token.sections("issuers");
    if sections.is_empty() {
        token.fault("issuers", None, "must name an issuer");
        return None;
    }
    let count = sections.len();
    let mut issuers: Vec<IssuerConfig> = Vec::with_capacity(count);
    for mut section in sections {
        let issuer = section.parsed("issuer", |text| {
            let issuer = Issuer::parse(text, defaults.over_http).map_err(|rule| rule.to_string())?;
            if issuers.iter().any(|other| other.issuer == issuer) {
                return Err("is there twice".to_owned());
            }
            Ok(issuer)
        });
        let audience = section.optional_parsed("audience", audience);
        let audience = audience.map(|own| own.unwrap_or_else(|| defaults.audience.clone()));
        let algorithms = algorithms(&mut section, &defaults.algorithms);
        let mut of_status = section.section("status_list");
        let status = StatusUse::read(&mut of_status, defaults.status);
        of_status.finish();
        section.finish();
        if let (Some(issuer), Some(audience), Some(algorithms), Some(status)) =
            (issuer, audience, algorithms, status)
        {
            issuers.push(IssuerConfig {
                issuer,
                audience,
                algorithms,
                status,
            });
        }
    }
    (issuers.len() == count).then_some(issuers)
}

fn algorithms(section: &mut Section<'_>, default: &[Algorithm]) -> Option<Vec<Algorithm>> {
    let default: Vec<&str> = default.iter().map(|algorithm| algorithm.as_str()).collect();
    let is_set = section.has("algorithms");
    let names = section.texts_or("algorithms", &default)?;
    if names.is_empty() && is_set {
        section.fault("algorithms", Some("[]".to_owned()), "must name an algorithm");
        return None;
    }
    let mut algorithms = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        match name.parse::<Algorithm>() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(rule) => {
                section.fault(&format!("algorithms[{index}]"), Some(format!("{name:?}")), rule);
            }
        }
    }
    (algorithms.len() == names.len()).then_some(algorithms)
}

fn audience(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        Err("must not be empty")
    } else {
        Ok(text.to_owned())
    }
}
