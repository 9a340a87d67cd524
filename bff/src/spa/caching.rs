//! Which files never change under their name.

/// What a build tool puts into a name at the least.
const SHORTEST_HASH: usize = 8;

/// Whether a browser may keep a file without ever asking again: it lies below the folder of hashed files, and its name
/// holds a hash of its content, as in `index-BxY3k_9Z.js` or `main.3f2a1b9c.chunk.css`.
///
/// A miss costs a browser a question; a hit that is wrong costs a user an old script for a year. So a word does not
/// count as a hash.
#[must_use]
pub fn never_changes(path: &str, hashed_files: &str) -> bool {
    let below = !hashed_files.is_empty()
        && path
            .strip_prefix(hashed_files)
            .is_some_and(|rest| rest.starts_with('/'));
    let name = path.rsplit('/').next().unwrap_or_default();
    below && holds_hash(name)
}

/// The last part is the extension.
fn holds_hash(name: &str) -> bool {
    let Some((stem, _)) = name.rsplit_once('.') else {
        return false;
    };
    let mut parts = stem.split('.');
    let first = parts.next().unwrap_or_default();
    hash_after_dash(first) || parts.any(|part| is_hash(part) || hash_after_dash(part))
}

fn hash_after_dash(part: &str) -> bool {
    part.match_indices('-').any(|(at, _)| {
        let rest = &part[at + 1..];
        // base64url has dashes of its own; only a hash of the usual length is taken to hold one.
        is_hash(rest) && (!rest.contains('-') || rest.len() == SHORTEST_HASH)
    })
}

/// Letters and digits mixed, or capitals side by side: neither a word, nor words in camel case, nor a date.
fn is_hash(text: &str) -> bool {
    let bytes = text.as_bytes();
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let has_letter = bytes.iter().any(u8::is_ascii_alphabetic);
    let has_digit = bytes.iter().any(u8::is_ascii_digit);
    let has_capitals = bytes
        .windows(2)
        .any(|pair| pair.iter().all(u8::is_ascii_uppercase));
    bytes.len() >= SHORTEST_HASH && bytes.iter().all(in_alphabet) && has_letter && (has_digit || has_capitals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash_of_their_content_never_change() {
        for path in [
            "/assets/index-BxY3k_9Z.js",
            "/assets/index-B-Y3k_9Z.js.map",
            "/assets/deep/er/main.3f2a1b9c.chunk.css",
            "/assets/chunk-ABQWERTZ.js",
            "/assets/logo.0123456789abcdef0123.svg",
        ] {
            assert!(never_changes(path, "/assets"), "{path}");
        }
    }

    #[test]
    fn other_names_are_asked_for_again() {
        for path in [
            "/index.html",
            "/app-BxY3k_9Z.js",
            "/assetsx/index-BxY3k_9Z.js",
            "/assets/index.js",
            "/assets/user-settings.js",
            "/assets/vendor-ReactRouter.js",
            "/assets/photo-20261125.jpg",
            "/assets/report-2024-summary.pdf",
            "/assets/icon-512x512.png",
            "/assets/BxY3k9Zq",
            "/assets",
        ] {
            assert!(!never_changes(path, "/assets"), "{path}");
        }
        assert!(!never_changes("/assets/index-BxY3k_9Z.js", ""));
    }
}
