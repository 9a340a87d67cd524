use std::time::Duration;

use url::Url;

use super::issuer::is_this_machine;
use crate::settings::Section;
use crate::status_list::{Fail, StatusPolicy, judge_folder};

/// `[status_list]`: how tokens of grants that have ended are told, of all issuers alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusListConfig {
    /// How lists are followed, and what happens to tokens when one cannot be had. Whether a status is required, each issuer
    /// says: [`StatusUse`].
    pub policy: StatusPolicy,
    /// Folders below which lists may lie, too, beside anywhere at the issuer's scheme, host and port.
    pub places: Vec<Url>,
}

/// What the status of an issuer's tokens is to an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusUse {
    /// Nothing: no list is asked for.
    Ignored,
    /// A token that names a place in a list is judged by it.
    Judged,
    /// So it is, and a token that names none is refused.
    Required,
}

impl StatusUse {
    /// Reads `enabled` and `require` of a section; what is not there is as `default` has it.
    pub(super) fn read(section: &mut Section<'_>, default: Self) -> Option<Self> {
        let is_on = section.switch_or("enabled", default != Self::Ignored);
        let is_set = section.has("require");
        let is_required = section.switch_or("require", default == Self::Required);
        match (is_on?, is_required?) {
            (false, true) if is_set => {
                section.fault(
                    "require",
                    Some("true".to_owned()),
                    "has no meaning with enabled = false",
                );
                None
            }
            (false, _) => Some(Self::Ignored),
            (true, false) => Some(Self::Judged),
            (true, true) => Some(Self::Required),
        }
    }
}

impl StatusListConfig {
    /// From a section of which [`StatusUse::read`] has read its own.
    pub(super) fn read(mut section: Section<'_>, leeway: Option<Duration>, over_http: bool) -> Option<Self> {
        const SECOND: Duration = Duration::from_secs(1);
        let defaults = StatusPolicy::default();
        let max_age = section.duration_or("max_age", defaults.max_age, SECOND..=60 * SECOND);
        let fail = fail(&mut section);
        let places = places(&mut section, over_http);
        let max_lists = section.number_or("max_lists", 128, 1..=10_000);
        let max_list_bytes = section.number_or("max_list_bytes", 4 * 1024 * 1024, 1024..=256 * 1024 * 1024);
        section.finish();
        Some(Self {
            policy: StatusPolicy {
                max_age: max_age?,
                fail: fail?,
                max_lists: usize::try_from(max_lists?).ok()?,
                max_list_bytes: usize::try_from(max_list_bytes?).ok()?,
                leeway: leeway.unwrap_or(defaults.leeway),
                ..defaults
            },
            places: places?,
        })
    }
}

fn fail(section: &mut Section<'_>) -> Option<Fail> {
    let is_open = section.parsed_or("fail", "open", |text| match text {
        "open" => Ok(true),
        "closed" => Ok(false),
        _ => Err("must be \"open\" or \"closed\""),
    });
    if is_open == Some(false) {
        let may_stay = !section.has("open_for");
        section.refuse("open_for", "has no meaning with fail = \"closed\"");
        return may_stay.then_some(Fail::Closed);
    }
    let bounds = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
    let at_most = section.duration_or("open_for", Duration::from_secs(5 * 60), bounds)?;
    is_open.map(|_| Fail::Open { at_most })
}

fn places(section: &mut Section<'_>, over_http: bool) -> Option<Vec<Url>> {
    let texts = section.texts_or("places", &[])?;
    let mut places = Vec::with_capacity(texts.len());
    let mut is_whole = true;
    for (index, text) in texts.into_iter().enumerate() {
        match place(&text, over_http) {
            Ok(place) => places.push(place),
            Err(rule) => {
                is_whole = false;
                section.fault(&format!("places[{index}]"), Some(format!("{text:?}")), rule);
            }
        }
    }
    is_whole.then_some(places)
}

fn place(text: &str, over_http: bool) -> Result<Url, &'static str> {
    let place = Url::parse(text).map_err(|_| "must be an https address")?;
    judge_folder(&place)?;
    if place.scheme() == "http" && !over_http && !is_this_machine(&place) {
        return Err(
            "must be https, or http on this machine (token.issuer_over_http = true allows it elsewhere)",
        );
    }
    Ok(place)
}
