//! JSON token by token, with the places that error messages name.
//!
//! AWS's services read patterns with Jackson and show where it stood. It reads ahead: at the name of a member the first
//! character of its value is taken already, and of text only the opening quote until somebody wants the rest.

use crate::PatternError;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// How much of the text a message shows.
const SHOWN: usize = 500;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    Name(String),
    Text(String),
    /// As it was written.
    Number(String),
    True,
    False,
    Null,
}

impl Kind {
    /// How the token reads, as messages quote it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::BeginObject => "{",
            Self::EndObject => "}",
            Self::BeginArray => "[",
            Self::EndArray => "]",
            Self::Name(text) | Self::Text(text) | Self::Number(text) => text,
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
        }
    }
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    /// How far reading has come when the token is known, and when all of it was asked for.
    known: usize,
    end: usize,
}

/// Reads a text from its beginning.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    source: &'t str,
    tokens: Vec<Token>,
    /// What ends the tokens before the text does.
    broken: Option<PatternError>,
    /// Behind the current token.
    next: usize,
    /// Whether the current token's text was asked for.
    asked: bool,
    with_source: bool,
}

impl<'t> Tokens<'t> {
    /// `with_source` says whether messages show the text.
    pub(crate) fn new(source: &'t str, with_source: bool) -> Self {
        let mut tokens = Self {
            source,
            tokens: Vec::new(),
            broken: None,
            next: 0,
            asked: false,
            with_source,
        };
        let mut scanner = Scanner { text: source, at: 0 };
        if let Err((message, at)) = scanner.document(&mut tokens.tokens) {
            tokens.broken = Some(tokens.error_at(&message, at));
        }
        tokens
    }

    /// The next token.
    pub(crate) fn advance(&mut self) -> Result<Kind, PatternError> {
        let Some(token) = self.tokens.get(self.next) else {
            return Err(self
                .broken
                .clone()
                .unwrap_or_else(|| self.error_at("Unexpected end-of-input", self.source.len())));
        };
        self.next += 1;
        self.asked = false;
        if matches!(token.kind, Kind::Name(_)) && self.next == self.tokens.len() && self.broken.is_some() {
            // The value is looked at together with the name.
            return self.broken.clone().map_or_else(|| Ok(token.kind.clone()), Err);
        }
        Ok(token.kind.clone())
    }

    /// Notes that the text of the current token was read to its end.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
    }

    /// An error where reading stands.
    pub(crate) fn error(&self, message: &str) -> PatternError {
        let current = self.next.checked_sub(1).and_then(|at| self.tokens.get(at));
        let at = match current {
            None => 0,
            Some(Token {
                kind: Kind::Name(_),
                end,
                ..
            }) => self.tokens.get(self.next).map_or(*end, |value| value.known),
            Some(token) if self.asked => token.end,
            Some(token) => token.known,
        };
        self.error_at(message, at)
    }

    fn error_at(&self, message: &str, at: usize) -> PatternError {
        // Offsets are behind whole characters; should one not be, the message is what suffers.
        let read = self.source.get(..at).unwrap_or(self.source);
        let line = read.matches('\n').count() + 1;
        let column = read.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = if self.with_source {
            let shown: String = self.source.chars().take(SHOWN).collect();
            let rest = self.source.chars().count().saturating_sub(SHOWN);
            let cut = if rest > 0 {
                format!("[truncated {rest} chars]")
            } else {
                String::new()
            };
            format!("(String)\"{shown}\"{cut}")
        } else {
            "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)".into()
        };
        PatternError(format!(
            "{message}\n at [Source: {place}; line: {line}, column: {column}]"
        ))
    }
}

/// A message and the offset behind what was read.
type Broken = (String, usize);

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn document(&mut self, tokens: &mut Vec<Token>) -> Result<(), Broken> {
        self.value(tokens, 0)?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err((self.unexpected("was expecting end of input"), self.at)),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn space(&mut self) {
        while let Some(' ' | '\t' | '\r' | '\n') = self.peek() {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.peek() {
            Some(found) => format!(
                "Unexpected character ('{found}' (code {})): {expected}",
                u32::from(found)
            ),
            None => "Unexpected end-of-input".into(),
        }
    }

    fn push(&mut self, tokens: &mut Vec<Token>, kind: Kind, length: usize) {
        self.at += length;
        tokens.push(Token {
            kind,
            known: self.at,
            end: self.at,
        });
    }

    fn value(&mut self, tokens: &mut Vec<Token>, depth: usize) -> Result<(), Broken> {
        self.space();
        if depth > MAX_DEPTH {
            return Err((
                format!("Document nesting depth ({depth}) exceeds the maximum allowed ({MAX_DEPTH})"),
                self.at,
            ));
        }
        match self.peek() {
            Some('{') => self.object(tokens, depth),
            Some('[') => self.array(tokens, depth),
            Some('"') => {
                let known = self.at + 1;
                let text = self.string()?;
                tokens.push(Token {
                    kind: Kind::Text(text),
                    known,
                    end: self.at,
                });
                Ok(())
            }
            Some('-' | '0'..='9') => self.number(tokens),
            Some(found) if found.is_alphanumeric() || found == '_' || found == '$' => self.word(tokens),
            Some(found) => {
                let expected =
                    "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
                Err((self.unexpected(expected), self.at + found.len_utf8()))
            }
            None => Err(("No content to map due to end-of-input".into(), self.at)),
        }
    }

    fn object(&mut self, tokens: &mut Vec<Token>, depth: usize) -> Result<(), Broken> {
        self.push(tokens, Kind::BeginObject, 1);
        self.space();
        if self.peek() == Some('}') {
            self.push(tokens, Kind::EndObject, 1);
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some('"') {
                return Err((
                    self.unexpected("was expecting double-quote to start field name"),
                    self.at,
                ));
            }
            let name = self.string()?;
            tokens.push(Token {
                kind: Kind::Name(name),
                known: self.at,
                end: self.at,
            });
            self.space();
            if self.peek() != Some(':') {
                return Err((
                    self.unexpected("was expecting a colon to separate field name and value"),
                    self.at,
                ));
            }
            self.at += 1;
            self.value(tokens, depth + 1)?;
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some('}') => {
                    self.push(tokens, Kind::EndObject, 1);
                    return Ok(());
                }
                _ => {
                    return Err((
                        self.unexpected("was expecting comma to separate Object entries"),
                        self.at,
                    ));
                }
            }
        }
    }

    fn array(&mut self, tokens: &mut Vec<Token>, depth: usize) -> Result<(), Broken> {
        self.push(tokens, Kind::BeginArray, 1);
        self.space();
        if self.peek() == Some(']') {
            self.push(tokens, Kind::EndArray, 1);
            return Ok(());
        }
        loop {
            self.value(tokens, depth + 1)?;
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(']') => {
                    self.push(tokens, Kind::EndArray, 1);
                    return Ok(());
                }
                _ => {
                    return Err((
                        self.unexpected("was expecting comma to separate Array entries"),
                        self.at,
                    ));
                }
            }
        }
    }

    /// A quoted string. What it means is serde's to say; here its end is found.
    fn string(&mut self) -> Result<String, Broken> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let mut at = begin + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(("Unexpected end-of-input in VALUE_STRING".into(), self.text.len())),
            }
        }
        self.at = at + 1;
        // Both ends are quotes, so the slice is on character boundaries.
        serde_json::from_str(&self.text[begin..self.at])
            .map_err(|_| ("Illegal character or escape in a string value".into(), self.at))
    }

    fn number(&mut self, tokens: &mut Vec<Token>) -> Result<(), Broken> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = &rest[..length];
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            return Err((format!("Invalid numeric value: {text}"), self.at + length));
        }
        self.push(tokens, Kind::Number(text.to_owned()), length);
        Ok(())
    }

    fn word(&mut self, tokens: &mut Vec<Token>) -> Result<(), Broken> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .unwrap_or(rest.len());
        let kind = match &rest[..length] {
            "true" => Kind::True,
            "false" => Kind::False,
            "null" => Kind::Null,
            word => {
                let message = format!(
                    "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
                );
                return Err((message, self.at + length));
            }
        };
        self.push(tokens, kind, length);
        Ok(())
    }
}
