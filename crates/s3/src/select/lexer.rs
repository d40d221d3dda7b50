//! The words of an expression.

use crate::Result;

use super::error::refused;

/// A word and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word(String),
    /// A name in double quotes: its case counts.
    Quoted(String),
    Text(String),
    Integer(i64),
    Float(f64),
    /// An operator or a bracket.
    Sign(&'static str),
}

impl Kind {
    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) => format!("IDENTIFIER:{text}"),
            Self::Quoted(text) => format!("IDENTIFIER:\"{text}\""),
            Self::Text(text) => format!("LITERAL:'{text}'"),
            Self::Integer(number) => format!("LITERAL:{number}"),
            Self::Float(number) => format!("LITERAL:{number}"),
            Self::Sign(sign) => format!("OPERATOR:{sign}"),
        }
    }
}

/// Longer signs before those that they begin with.
const SIGNS: [&str; 20] = [
    "<=", ">=", "<>", "!=", "||", "==", "(", ")", "[", "]", ",", ".", "*", "+", "-", "/", "%", "=", "<", ">",
];

/// # Errors
/// `LexerInvalidChar`, `LexerInvalidLiteral`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = if first == '\'' || first == '"' || first == '`' {
            let (inner, length) = quoted(rest, first, at)?;
            let kind = if first == '\'' {
                Kind::Text(inner)
            } else {
                Kind::Quoted(inner)
            };
            (kind, length)
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            number(rest, at)?
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            (Kind::Word(rest[..length].to_owned()), length)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Kind::Sign(sign), sign.len())
        } else {
            return Err(refused(
                "LexerInvalidChar",
                format!("The SQL expression contains an invalid character at position {at}."),
            ));
        };
        found.push(Token { kind, at });
        at += length;
    }
    Ok(found)
}

/// What stands in quotes, doubled ones for themselves; and how long it is with them.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(String, usize)> {
    let mut inner = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((place, c)) = chars.next() {
        if c != quote {
            inner.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            inner.push(quote);
        } else {
            return Ok((inner, place + quote.len_utf8()));
        }
    }
    Err(literal(at))
}

fn literal(at: usize) -> crate::Error {
    refused(
        "LexerInvalidLiteral",
        format!("The SQL expression contains an invalid literal at position {at}."),
    )
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut length = digits(rest);
    let mut whole = true;
    if rest[length..].starts_with('.') {
        whole = false;
        length += 1;
        length += digits(&rest[length..]);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[length + 1 + sign..]);
        if exponent > 0 {
            whole = false;
            length += 1 + sign + exponent;
        }
    }
    let text = &rest[..length];
    if rest[length..].starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Err(literal(at));
    }
    if whole && let Ok(number) = text.parse() {
        return Ok((Kind::Integer(number), length));
    }
    text.parse()
        .map(|number| (Kind::Float(number), length))
        .map_err(|_| literal(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_signs() {
        let kinds: Vec<_> = tokens("a.\"B c\" >= 1.5e3 -- no\n || 'it''s' <> .5")
            .unwrap()
            .into_iter()
            .map(|token| token.kind)
            .collect();
        assert_eq!(
            kinds,
            [
                Kind::Word("a".into()),
                Kind::Sign("."),
                Kind::Quoted("B c".into()),
                Kind::Sign(">="),
                Kind::Float(1500.0),
                Kind::Sign("||"),
                Kind::Text("it's".into()),
                Kind::Sign("<>"),
                Kind::Float(0.5),
            ]
        );
        for (bad, code) in [
            ("a ; b", "LexerInvalidChar"),
            ("'open", "LexerInvalidLiteral"),
            ("1x", "LexerInvalidLiteral"),
        ] {
            assert_eq!(tokens(bad).unwrap_err().code(), Some(code), "{bad}");
        }
    }
}
