//! Whether a file is sent, whole or in part (RFC 9110 §13 and §14).
//!
//! Entity tags alone decide. Times of change say little of files that a build writes: reproducible builds give all files
//! the same one, and an `index.html` that names scripts by their hashes keeps its length too.

/// What a request says about what it has or wants; of headers that stand several times, their values joined by commas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'r> {
    /// `If-Match`.
    pub if_match: Option<&'r str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'r str>,
    /// `If-Range`.
    pub if_range: Option<&'r str>,
    /// `Range`.
    pub range: Option<&'r str>,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// These bytes, both included.
    Part {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// 304: the client has it.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    NotSatisfiable,
}

impl Conditions<'_> {
    /// Judges a file of this tag (in its quotes) and length.
    #[must_use]
    pub fn judge(&self, tag: &str, length: u64) -> Extent {
        if self
            .if_match
            .is_some_and(|wanted| !lists(wanted, |held| held == tag))
        {
            return Extent::PreconditionFailed;
        }
        // The comparison is weak: something on the way may have compressed what it passed on.
        let weak = |held: &str| held.strip_prefix("W/").unwrap_or(held) == tag;
        if self.if_none_match.is_some_and(|had| lists(had, weak)) {
            return Extent::NotModified;
        }
        match self.range {
            Some(range) if self.if_range.is_none_or(|had| had.trim() == tag) => part(range, length),
            _ => Extent::Whole,
        }
    }
}

/// Our tags hold no comma, so that a list may be cut at commas.
fn lists(header: &str, is_it: impl Fn(&str) -> bool) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|held| held == "*" || is_it(held))
}

/// A range that cannot be read, or several, count as none: a server may always send the whole (§14.2).
fn part(range: &str, length: u64) -> Extent {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .filter(|set| !set.contains(','))
        .and_then(|set| set.trim().split_once('-'))
    else {
        return Extent::Whole;
    };
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last),
        (Some(first), None) if last.is_empty() => (first, u64::MAX),
        (None, Some(0)) if first.is_empty() => return Extent::NotSatisfiable,
        (None, Some(suffix)) if first.is_empty() => (length.saturating_sub(suffix), u64::MAX),
        _ => return Extent::Whole,
    };
    if first >= length {
        return Extent::NotSatisfiable;
    }
    Extent::Part {
        first,
        last: last.min(length - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::Extent::{NotModified, NotSatisfiable, Part, PreconditionFailed, Whole};
    use super::*;

    const TAG: &str = "\"a\"";

    #[test]
    fn ranges_are_cut_to_the_file_or_counted_as_none() {
        for (range, extent) in [
            ("bytes=0-3", Part { first: 0, last: 3 }),
            ("bytes=8-", Part { first: 8, last: 9 }),
            ("bytes=-4", Part { first: 6, last: 9 }),
            ("bytes=-40", Part { first: 0, last: 9 }),
            ("bytes=5-99999999999999999999999", Part { first: 5, last: 9 }),
            ("bytes=10-", NotSatisfiable),
            ("bytes=-0", NotSatisfiable),
            ("bytes=99999999999999999999999-", NotSatisfiable),
            ("bytes=3-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("lines=1-2", Whole),
        ] {
            let conditions = Conditions {
                range: Some(range),
                ..Conditions::default()
            };
            assert_eq!(conditions.judge(TAG, 10), extent, "{range}");
        }
        let empty = Conditions {
            range: Some("bytes=0-"),
            ..Conditions::default()
        };
        assert_eq!(empty.judge(TAG, 0), NotSatisfiable);
    }

    #[test]
    fn a_range_of_another_version_is_not_cut_from_this_one() {
        let range = |if_range| Conditions {
            range: Some("bytes=0-0"),
            if_range: Some(if_range),
            ..Conditions::default()
        };
        assert_eq!(range(TAG).judge(TAG, 10), Part { first: 0, last: 0 });
        for other in ["\"b\"", "W/\"a\"", "Wed, 25 Nov 2026 00:00:00 GMT", ""] {
            assert_eq!(range(other).judge(TAG, 10), Whole, "{other}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let had = |tags| Conditions {
            if_none_match: Some(tags),
            range: Some("bytes=0-0"),
            ..Conditions::default()
        };
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert_eq!(had(tags).judge(TAG, 10), NotModified, "{tags}");
        }
        assert_eq!(had("\"b\"").judge(TAG, 10), Part { first: 0, last: 0 });
        let wanted = |tags| Conditions {
            if_match: Some(tags),
            ..Conditions::default()
        };
        assert_eq!(wanted("\"b\"").judge(TAG, 10), PreconditionFailed);
        assert_eq!(wanted("W/\"a\"").judge(TAG, 10), PreconditionFailed);
        assert_eq!(wanted("*").judge(TAG, 10), Whole);
        assert_eq!(wanted("\"b\",\"a\"").judge(TAG, 10), Whole);
    }
}
