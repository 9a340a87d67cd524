//! Whether a password is guessed in no time: by lists of common ones, names, dates, keyboards and repeats, and by what
//! is known of the user (OWASP ASVS 5.0 §6.2.4, §6.2.11; NIST SP 800-63B §3.1.1.2).

use std::fmt;

use zxcvbn::feedback::{Suggestion, Warning};
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Score, zxcvbn};

use super::User;

/// What is looked at of a password: the effort grows faster than its length, and a hundred characters that are guessed
/// easily are not saved by what follows them.
const LOOKED_AT: usize = 100;

/// The least score that will do: more than 10^8 guesses, which the throttle never allows, and which are many against a
/// hash that was stolen. zxcvbn itself calls anything less too weak.
const ENOUGH: Score = Score::Three;

/// Shorter pieces of a name stand in too many passwords by chance.
const SHORTEST_PIECE: usize = 3;

/// Why a password is guessed easily. It quotes nothing of it, and says what it says in English.
#[derive(Debug, PartialEq)]
pub struct Weakness {
    /// Names and addresses of its user stand in it.
    pub(crate) is_known_of_user: bool,
    pub(crate) warning: Option<Warning>,
    suggestions: Vec<Suggestion>,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_user = "It is made of names and addresses of its user.";
        let of_user = self.is_known_of_user.then(|| of_user.to_owned());
        let warning = self.warning.map(|warning| warning.to_string());
        let suggestions = self.suggestions.iter().map(ToString::to_string);
        let sentences: Vec<_> = of_user.into_iter().chain(warning).chain(suggestions).collect();
        f.write_str(&sentences.join(" "))
    }
}

/// What makes a password one that is guessed easily; `None` if it is not.
pub(super) fn weakness(password: &str, user: &User) -> Option<Weakness> {
    let password: String = password.chars().take(LOOKED_AT).collect();
    let known = known_of(user);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let estimate = zxcvbn(&password, &known);
    if estimate.score() >= ENOUGH {
        return None;
    }
    let is_known_of_user = estimate.sequence().iter().any(|found| match &found.pattern {
        MatchPattern::Dictionary(found) => known.contains(&found.matched_word.as_str()),
        _ => false,
    });
    let feedback = estimate.feedback();
    Some(Weakness {
        is_known_of_user,
        warning: feedback.and_then(zxcvbn::feedback::Feedback::warning),
        suggestions: feedback.map_or_else(Vec::new, |feedback| feedback.suggestions().to_vec()),
    })
}

/// Names and addresses of a user, whole and in pieces, in lower case.
fn known_of(user: &User) -> Vec<String> {
    let texts = [
        Some(user.name.as_str()),
        user.email.as_deref(),
        user.full_name.as_deref(),
    ];
    let mut known = Vec::new();
    for text in texts.into_iter().flatten() {
        let text = text.to_lowercase();
        let pieces = text.split(|c: char| !c.is_alphanumeric());
        let pieces = pieces.filter(|piece| piece.chars().count() >= SHORTEST_PIECE);
        known.extend(pieces.map(str::to_owned));
        known.push(text);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::UserName;

    fn weakness_of(password: &str) -> Option<String> {
        let user = User {
            id: "u".to_owned(),
            name: UserName::parse("rosamund").unwrap(),
            email: Some("rosa@quillfeather.example".to_owned()),
            full_name: Some("Rosamund Thistlewood".to_owned()),
        };
        weakness(password, &user).map(|weakness| weakness.to_string())
    }

    #[test]
    fn what_everybody_tries_first_is_refused_with_a_reason() {
        for (password, reason) in [
            ("password", "top-10 common password"),
            ("P@ssw0rd1", "commonly used password"),
            ("qwertyuiop", "common password"),
            ("aaaaaaaaaaaa", "Repeats like \"aaa\""),
            ("        ", "Repeats"),
            ("abcdefghijkl", "Sequences like abc"),
            ("12.05.1987", "Dates are"),
            ("elizabeth", ""),
        ] {
            let why = weakness_of(password).unwrap_or_else(|| panic!("{password} passes"));
            assert!(why.contains(reason), "{password}: {why}");
        }
    }

    #[test]
    fn what_is_known_of_the_user_protects_nothing() {
        for password in [
            "thistlewood",
            "Quillfeather1",
            "RosamundThistlewood",
            "rosa@quillfeather.example",
        ] {
            let why = weakness_of(password).unwrap_or_else(|| panic!("{password} passes"));
            assert!(why.contains("of its user"), "{password}: {why}");
        }
        let stranger = User {
            id: "v".to_owned(),
            name: UserName::parse("bob").unwrap(),
            email: None,
            full_name: None,
        };
        assert_eq!(
            weakness("RosamundThistlewood", &stranger),
            None,
            "it is another person's"
        );
    }

    #[test]
    fn a_few_words_or_random_characters_will_do() {
        for password in [
            "correct horse battery",
            "x7#kPq2!vR",
            "mumpitz-gaukelei-tran",
            "안녕하세요 반갑습니다 여러분",
        ] {
            assert_eq!(weakness_of(password), None, "{password}");
        }
    }

    #[test]
    fn a_long_password_is_judged_by_its_first_hundred_characters() {
        assert!(weakness_of(&("a".repeat(100) + "x7#kPq2!vRz9")).is_some());
        assert_eq!(weakness_of(&("x7#kPq2!vRz9".to_owned() + &"a".repeat(244))), None);
    }
}
