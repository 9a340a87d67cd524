//! Secrets of the first run: a client secret for machines, and a password that a person can read from a terminal and
//! type, such as `lumo-tavi-reko-zabu`.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const CONSONANTS: &[u8] = b"bdfghklmnprstvz";
const VOWELS: &[u8] = b"aeiou";
/// Four groups of two syllables: (15 · 5)⁸, nearly 50 bits, for an auth server that counts wrong passwords.
const GROUPS: usize = 4;
const SYLLABLES: usize = 2;

/// A new client secret: 256 random bits.
#[must_use]
pub fn client_secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// A new password.
#[must_use]
pub fn password() -> String {
    let groups: Vec<String> = (0..GROUPS).map(|_| group()).collect();
    groups.join("-")
}

fn group() -> String {
    (0..SYLLABLES)
        .flat_map(|_| [pick(CONSONANTS), pick(VOWELS)])
        .collect()
}

/// One letter of the alphabet, each equally likely.
fn pick(alphabet: &[u8]) -> char {
    let even = usize::from(u8::MAX) / alphabet.len() * alphabet.len();
    loop {
        let [byte] = random_bytes().map(usize::from);
        // The bytes above the last full round of the alphabet would favour its first letters.
        if byte < even {
            return char::from(alphabet[byte % alphabet.len()]);
        }
    }
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without random numbers there are no secrets: stop"
    )]
    rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_four_groups_of_four_letters() {
        let password = password();
        let groups: Vec<&str> = password.split('-').collect();
        assert_eq!(groups.len(), 4, "{password}");
        for group in groups {
            let letters: Vec<u8> = group.bytes().collect();
            assert_eq!(letters.len(), 4, "{password}");
            for syllable in letters.chunks(2) {
                assert!(
                    CONSONANTS.contains(&syllable[0]) && VOWELS.contains(&syllable[1]),
                    "{password}"
                );
            }
        }
    }

    #[test]
    fn every_letter_is_about_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for _ in 0..15_000 {
            *counts.entry(pick(CONSONANTS)).or_insert(0) += 1;
        }
        for consonant in CONSONANTS {
            let count = counts[&char::from(*consonant)];
            // A thousand each, give or take more than six standard deviations.
            assert!(
                (800..=1_200).contains(&count),
                "{}: {count}",
                char::from(*consonant)
            );
        }
    }

    #[test]
    fn no_two_passwords_are_the_same() {
        let passwords: std::collections::HashSet<String> = (0..1_000).map(|_| password()).collect();
        assert_eq!(passwords.len(), 1_000);
    }
}
