use std::collections::BTreeMap;

use resource_server::settings::Section;

use crate::scope::{ScopeSet, ScopeWords, Words};

/// Reads every `[[scope]]`.
pub(super) fn parse_all(root: &mut Section<'_>) -> Option<ScopeWords> {
    let mut all = BTreeMap::new();
    let mut whole = true;
    for mut section in root.sections("scope") {
        match parse(&mut section, |name| all.contains_key(name)) {
            Some((name, words)) => {
                all.insert(name, words);
            }
            None => whole = false,
        }
        section.finish();
    }
    whole.then(|| ScopeWords::new(all))
}

fn parse(section: &mut Section<'_>, is_known: impl Fn(&str) -> bool) -> Option<(String, Words)> {
    let name = section.parsed("name", |name| {
        let is_one = ScopeSet::parse(name).is_ok_and(|scopes| scopes.iter().eq([name]));
        if !is_one {
            return Err("must be one scope");
        }
        if is_known(name) {
            return Err("is the name of an earlier scope");
        }
        Ok(name.to_owned())
    });
    let text = section.parsed("text", parse_text);
    let korean = section.optional_parsed("text_ko", parse_text);
    let words = Words {
        text: text?,
        translated: korean?.into_iter().map(|text| ("ko", text)).collect(),
    };
    Some((name?, words))
}

fn parse_text(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("must not be empty"),
        text => Ok(text.to_owned()),
    }
}
