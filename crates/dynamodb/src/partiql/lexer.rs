//! Text of a statement into tokens.

use crate::ValidationError;
use std::borrow::Cow;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    /// A word: a keyword, a function, or a name without quotes.
    Word(&'t str),
    /// A name in double quotes.
    Name(Cow<'t, str>),
    /// Text in single quotes.
    Text(Cow<'t, str>),
    /// A number without its sign.
    Number(&'t str),
    /// `?`
    Parameter,
    /// An operator or a bracket.
    Symbol(&'static str),
    /// Behind the last token.
    End,
}

/// Longer symbols before those that they begin with.
const SYMBOLS: [&str; 24] = [
    "<<", ">>", "<=", ">=", "<>", "!=", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "*", "+", "-", "/",
    "%", ";",
];

/// What the service says of a statement that it cannot read.
pub(super) fn not_well_formed(detail: &str) -> ValidationError {
    ValidationError::new(format!("Statement wasn't well formed, can't be processed: {detail}"))
}

/// The tokens of a statement.
///
/// # Errors
/// For a character that begins no token, and for quotes and comments that do not end.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, ValidationError> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(next) = behind_space(rest)? {
        let (token, behind) = token(next)?;
        tokens.push(token);
        rest = behind;
    }
    tokens.push(Token::End);
    Ok(tokens)
}

/// Where the next token begins.
fn behind_space(mut rest: &str) -> Result<Option<&str>, ValidationError> {
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| not_well_formed(""))?;
            rest = &comment[end + 2..];
        } else {
            return Ok((!rest.is_empty()).then_some(rest));
        }
    }
}

fn token(rest: &str) -> Result<(Token<'_>, &str), ValidationError> {
    let first = rest.as_bytes()[0];
    let split = |at: usize| rest.split_at(at);
    match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (word, behind) = split(end);
            Ok((Token::Word(word), behind))
        }
        b'0'..=b'9' => {
            let (number, behind) = split(number_length(rest));
            Ok((Token::Number(number), behind))
        }
        b'.' if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
            let (number, behind) = split(number_length(rest));
            Ok((Token::Number(number), behind))
        }
        b'\'' => quoted(rest, '\'').map(|(text, behind)| (Token::Text(text), behind)),
        b'"' => quoted(rest, '"').map(|(name, behind)| (Token::Name(name), behind)),
        b'?' => Ok((Token::Parameter, &rest[1..])),
        _ => {
            let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
            let symbol = symbol.ok_or_else(|| not_well_formed(""))?;
            Ok((Token::Symbol(symbol), &rest[symbol.len()..]))
        }
    }
}

/// Digits, at most one point, and an exponent that has digits.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let start = end + 1 + sign;
        if start < bytes.len() && digits(start) > start {
            end = digits(start);
        }
    }
    end
}

/// What stands in quotes, of which two in a row are one.
fn quoted(rest: &str, quote: char) -> Result<(Cow<'_, str>, &str), ValidationError> {
    let inner = &rest[1..];
    let mut from = 0;
    loop {
        let end = from + inner[from..].find(quote).ok_or_else(|| not_well_formed(""))?;
        let behind = &inner[end + 1..];
        if behind.starts_with(quote) {
            from = end + 2;
            continue;
        }
        let text = &inner[..end];
        let doubled: String = [quote, quote].iter().collect();
        let text = if text.contains(&doubled) {
            Cow::Owned(text.replace(&doubled, &quote.to_string()))
        } else {
            Cow::Borrowed(text)
        };
        return Ok((text, behind));
    }
}
