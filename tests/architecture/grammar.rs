//! Just enough of Rust's grammar to tell which paths a source file names, and where.

/// A path that a file names, absolute where it began with `crate`, `self` or `super`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Named {
    /// The module of this crate that the path leads into; `None` if it leads elsewhere.
    pub(crate) fn own_module(&self) -> Option<&str> {
        (self.segments[0] == "crate")
            .then(|| self.segments.get(1).map(String::as_str))
            .flatten()
    }

    /// Whether the path begins in this other crate.
    pub(crate) fn is_of_crate(&self, name: &str) -> bool {
        self.segments[0] == name
    }
}

/// What a file with this text names outside of its tests, being this module of its crate.
pub(crate) fn names_outside_of_tests(text: &str, modules: &[String]) -> Vec<Named> {
    names(&without_tests(&tokens(text)), modules)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Identifiers, `::` and single punctuation; comments, literals and lifetimes are dropped.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => until(rest, |tail| tail[0] == '\n'),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest),
            ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] if raw_string(rest).is_some() => {
                raw_string(rest).unwrap_or(1)
            }
            ['\'', ..] => char_or_lifetime(rest),
            [':', ':', ..] => push(&mut tokens, rest, 2, line),
            [first, ..] if first.is_alphabetic() || *first == '_' => {
                let end = until(rest, |tail| !(tail[0].is_alphanumeric() || tail[0] == '_'));
                push(&mut tokens, rest, end, line)
            }
            [first, ..] if first.is_whitespace() || first.is_ascii_digit() => 1,
            _ => push(&mut tokens, rest, 1, line),
        };
        line += chars[start..at.min(chars.len())]
            .iter()
            .filter(|char| **char == '\n')
            .count();
    }
    tokens
}

fn push(tokens: &mut Vec<Token>, rest: &[char], length: usize, line: usize) -> usize {
    tokens.push(Token {
        text: rest[..length].iter().collect(),
        line,
    });
    length
}

fn until(rest: &[char], end: impl Fn(&[char]) -> bool) -> usize {
    (1..rest.len()).find(|at| end(&rest[*at..])).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r#"…"#` with any number of `#`, or `None` if this is an identifier.
fn raw_string(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().position(|char| *char == 'r')? + 1;
    let hashes = rest[prefix..].iter().take_while(|char| **char == '#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |tail: &[char]| tail[0] == '"' && tail[1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (open + 1..rest.len()).find(|at| closes(&rest[*at..]))?;
    Some(close + 1 + hashes)
}

fn char_or_lifetime(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => until(rest, |tail| tail[0] == '\'').max(3) + 1,
        ['\'', _, '\'', ..] => 3,
        _ => {
            1 + rest[1..]
                .iter()
                .take_while(|char| char.is_alphanumeric() || **char == '_')
                .count()
        }
    }
}

/// Drops every item under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let marked =
            tokens.len() - at >= MARK.len() && MARK.iter().zip(&tokens[at..]).all(|(m, t)| t.text == *m);
        if marked {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn names(tokens: &[Token], modules: &[String]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let text = tokens[at].text.as_str();
        let here = || {
            modules
                .iter()
                .cloned()
                .chain(inline.iter().map(|(name, _)| name.clone()))
                .collect::<Vec<_>>()
        };
        if text == "use" {
            at = use_tree(tokens, at + 1, &[], &here(), &mut named);
        } else if is_identifier(text) && tokens.get(at + 1).is_some_and(|next| next.text == "::") {
            at = inline_path(tokens, at, &here(), &mut named);
        } else {
            match text {
                "mod" if tokens.get(at + 2).is_some_and(|next| next.text == "{") => {
                    inline.push((tokens[at + 1].text.clone(), depth));
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.retain(|(_, opened_at)| *opened_at < depth);
                }
                _ => {}
            }
            at += 1;
        }
    }
    named
}

/// Reads `a::{b, c::d}` and notes each leaf; answers where the tree ends.
fn use_tree(
    tokens: &[Token],
    from: usize,
    prefix: &[Token],
    here: &[String],
    named: &mut Vec<Named>,
) -> usize {
    let mut path = prefix.to_vec();
    let mut at = from;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].text != "}" {
                    at = use_tree(tokens, at, &path, here, named);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => at += 2,
            text if is_identifier(text) || text == "*" => {
                path.push(tokens[at].clone());
                at += 1;
            }
            _ => break,
        }
    }
    note(&path, here, named);
    at
}

fn inline_path(tokens: &[Token], from: usize, here: &[String], named: &mut Vec<Named>) -> usize {
    let mut path = vec![tokens[from].clone()];
    let mut at = from + 1;
    while tokens.get(at).is_some_and(|token| token.text == "::")
        && tokens.get(at + 1).is_some_and(|token| is_identifier(&token.text))
    {
        path.push(tokens[at + 1].clone());
        at += 2;
    }
    if path.len() > 1 {
        note(&path, here, named);
    }
    at
}

fn note(path: &[Token], here: &[String], named: &mut Vec<Named>) {
    let Some(first) = path.first() else {
        return;
    };
    let supers = path.iter().take_while(|token| token.text == "super").count();
    let texts = |from: usize| path[from..].iter().map(|token| token.text.clone());
    let inside = |depth: usize| std::iter::once("crate".to_owned()).chain(here[..depth].iter().cloned());
    let segments = match first.text.as_str() {
        "self" => inside(here.len()).chain(texts(1)).collect(),
        "super" => inside(here.len().saturating_sub(supers))
            .chain(texts(supers))
            .collect(),
        _ => texts(0).collect(),
    };
    named.push(Named {
        segments,
        line: path.last().map_or(first.line, |token| token.line),
    });
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use crate::source::Source;

    fn named_in(text: &str) -> Vec<String> {
        let source = Source::read(
            "x".to_owned(),
            vec!["session".to_owned(), "ticket".to_owned()],
            text,
        );
        source
            .named
            .iter()
            .map(|named| named.segments.join("::"))
            .collect()
    }

    #[test]
    fn nested_imports_are_taken_apart() {
        assert_eq!(
            named_in("use crate::{config::Config, session::{self, Id as Key}};"),
            [
                "crate::config::Config",
                "crate::session::self",
                "crate::session::Id"
            ]
        );
    }

    #[test]
    fn relative_paths_are_made_absolute() {
        assert_eq!(
            named_in("use super::store::Store; fn f() { self::g(); super::super::app::run() }"),
            [
                "crate::session::store::Store",
                "crate::session::ticket::g",
                "crate::app::run"
            ]
        );
    }

    #[test]
    fn an_inline_module_is_one_deeper() {
        assert_eq!(
            named_in("mod inner { use super::x; } use super::y;"),
            ["crate::session::ticket::x", "crate::session::y"]
        );
    }

    #[test]
    fn comments_literals_and_tests_name_nothing() {
        let text = r##"
            // use crate::a;
            /* crate::b::c /* nested */ crate::d::e */
            const TEXT: &str = "crate::f::g"; const RAW: &str = r#"crate::h::i"#; const Q: char = '"';
            #[cfg(test)] mod tests { use crate::j; }
            fn f<'a>(x: &'a str) { crate::k::l(x) }
        "##;

        assert_eq!(named_in(text), ["crate::k::l"]);
    }

    #[test]
    fn a_finding_says_its_line() {
        let source = Source::read(
            "x".to_owned(),
            Vec::new(),
            "\"a\nb\";\nuse crate::{\n    a,\n    b,\n};",
        );

        assert_eq!(
            source.named.iter().map(|named| named.line).collect::<Vec<_>>(),
            [4, 5]
        );
    }
}
