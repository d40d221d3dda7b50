use fancy_regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// How far a pattern with look-around may backtrack before the match is given up: bounds a hostile input to milliseconds.
const BACKTRACK_LIMIT: usize = 100_000;

/// A Java regular expression of a model, compiled when it is first needed.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Wraps the model's text.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            compiled: OnceLock::new(),
        }
    }

    /// The text as AWS prints it in messages.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The expression, or `None` when it has no translation; a test names those of the embedded models.
    pub fn compiled(&self) -> Option<&Regex> {
        let compile = || {
            let translated = format!(r"\A(?:{})\z", translate(&self.source));
            RegexBuilder::new(&translated)
                .backtrack_limit(BACKTRACK_LIMIT)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Whether the whole text matches, as Java's `matches()`. A match that exceeds the backtracking bound fails.
    pub fn matches(&self, text: &str) -> bool {
        self.compiled()
            .is_none_or(|regex| regex.is_match(text).unwrap_or(false))
    }
}

/// Java's dialect differs: `\d`, `\w` and `\s` are ASCII, `\uXXXX` names a code unit, POSIX classes are `\p{Alpha}`.
fn translate(java: &str) -> String {
    let mut out = String::with_capacity(java.len());
    let mut letters = java.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[a-zA-Z0-9_]"),
            Some('W') => out.push_str("[^a-zA-Z0-9_]"),
            Some('s') => out.push_str(r"[ \t\n\x0B\f\r]"),
            Some('S') => out.push_str(r"[^ \t\n\x0B\f\r]"),
            Some('u') => {
                let high = code_unit(&mut letters);
                // Two surrogates in a row are one character.
                let low = (0xd800..0xdc00).contains(&high).then(|| {
                    let mut ahead = letters.clone();
                    let follows = ahead.next() == Some('\\') && ahead.next() == Some('u');
                    let low = if follows { code_unit(&mut ahead) } else { 0 };
                    (0xdc00..0xe000).contains(&low).then(|| {
                        letters = ahead;
                        low
                    })
                });
                let code = match low.flatten() {
                    Some(low) => 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00),
                    None => high,
                };
                out.push_str(&format!(r"\x{{{code:X}}}"));
            }
            Some('p') if letters.peek() == Some(&'{') => {
                let name: String = letters.by_ref().skip(1).take_while(|letter| *letter != '}').collect();
                out.push_str(match name.as_str() {
                    "Alpha" => "[[:alpha:]]",
                    "Digit" => "[[:digit:]]",
                    "Alnum" => "[[:alnum:]]",
                    "Upper" => "[[:upper:]]",
                    "Lower" => "[[:lower:]]",
                    "Punct" => "[[:punct:]]",
                    "Graph" => "[[:graph:]]",
                    "Print" => "[[:print:]]",
                    "Space" => "[[:space:]]",
                    "XDigit" => "[[:xdigit:]]",
                    "ASCII" => "[[:ascii:]]",
                    _ => {
                        out.push_str(&format!(r"\p{{{}}}", name.strip_prefix("Is").unwrap_or(&name)));
                        continue;
                    }
                });
            }
            // Java allows a needless backslash before any punctuation; the regex crate not before every one.
            Some(
                escaped @ ('/' | '\'' | '"' | '@' | ',' | ':' | ';' | '=' | '!' | '%' | '_' | '`' | '<' | '>' | ' '),
            ) => {
                out.push(escaped);
            }
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The four hexadecimal digits behind `\u`; 0 when they are none.
fn code_unit(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> u32 {
    let digits: String = letters.by_ref().take(4).collect();
    u32::from_str_radix(&digits, 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_patterns_match_whole_ascii_texts() {
        let alias = Pattern::new(r"((?!^\d+$)^[0-9a-zA-Z-_]+$)");
        assert!(alias.matches("live-1_a"));
        assert!(!alias.matches("1"));
        assert!(!alias.matches("$LATEST"));
        let digits = Pattern::new(r"\d{3}");
        assert!(digits.matches("123") && !digits.matches("1234") && !digits.matches("١٢٣"));
        assert!(Pattern::new(r"[\w+=,.@-]*").matches("a+b@c-d"));
        assert!(Pattern::new(r"[\u0020-\uFFFF]+").matches("a ¥"));
        let any = Pattern::new(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*");
        assert!(any.matches("a 한 😹\n") && !any.matches("\0"));
        assert!(Pattern::new("a|b").matches("b") && !Pattern::new("a|b").matches("ab"));
    }
}
