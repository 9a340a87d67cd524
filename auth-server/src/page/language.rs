//! Which language a page is in.

use super::texts::{Texts, english, korean};

/// A language that the pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    /// All of them, the one for everybody else first.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Korean];

    /// Decides by what the client asks for (OIDC Core §3.1.2.1: tags with spaces between them, the most wanted first),
    /// and then by what the browser accepts, in that order too. Whoever wants neither language gets English.
    pub(crate) fn choose<'a>(
        ui_locales: Option<&'a str>,
        accepted: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let asked = ui_locales.into_iter().flat_map(|tags| tags.split(' '));
        asked
            .chain(accepted)
            .find_map(Self::of_tag)
            .unwrap_or(Self::English)
    }

    /// The `lang` of its pages.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// All that its pages say.
    pub(crate) const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::Korean => &korean::TEXTS,
        }
    }

    /// RFC 4647 §3.4: whatever follows the first part of a tag (a script, a region) makes no difference here.
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(ui_locales: Option<&str>, accepted: &[&str]) -> &'static str {
        Language::choose(ui_locales, accepted.iter().copied()).tag()
    }

    #[test]
    fn the_clients_wish_comes_before_the_browsers() {
        assert_eq!(chosen(Some("ko"), &["en"]), "ko");
        assert_eq!(chosen(Some("fr-CA ko-KR en"), &["en"]), "ko");
        assert_eq!(chosen(Some("EN-us ko"), &["ko"]), "en");
        assert_eq!(chosen(Some("fr de"), &["de", "ko-KR", "en"]), "ko");
        assert_eq!(chosen(None, &["ko_KR"]), "ko");
    }

    #[test]
    fn whoever_reads_neither_language_gets_english() {
        assert_eq!(chosen(None, &[]), "en");
        assert_eq!(chosen(Some(""), &["fr", "*"]), "en");
        assert_eq!(chosen(Some("kok korean 한국어 -ko"), &["enm"]), "en");
    }
}
