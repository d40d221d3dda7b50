//! Text of an expression into tokens, and what a syntax error says.

use crate::ValidationError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: a name, a function's name, or a keyword, told apart by where it stands.
    Word,
    /// A placeholder of a name, `#x`.
    Name,
    /// A placeholder of a value, `:x`.
    Value,
    /// Decimal digits.
    Digits,
    /// Anything else: an operator, a bracket, or a character that belongs nowhere.
    Symbol,
    /// Behind the last token.
    End,
}

/// One token of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    start: usize,
}

impl Token<'_> {
    pub fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether this is `keyword`, in whatever case.
    pub fn is_word(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of an expression and how far it has been read.
pub(super) struct Tokens<'t> {
    source: &'t str,
    list: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub fn new(source: &'t str) -> Self {
        let mut list = Vec::with_capacity(source.len() / 4 + 2);
        let mut start = 0;
        while let Some(first) = source[start..].chars().next() {
            if matches!(first, ' ' | '\t' | '\r' | '\n') {
                start += 1;
                continue;
            }
            let token = scan(source, start, first);
            start = token.end();
            list.push(token);
        }
        list.push(Token {
            kind: Kind::End,
            text: "",
            start: source.len(),
        });
        Self { source, list, at: 0 }
    }

    /// The token to be read next.
    pub fn peek(&self) -> Token<'t> {
        self.list[self.at]
    }

    /// The token behind it.
    pub fn peek_second(&self) -> Token<'t> {
        self.list[(self.at + 1).min(self.list.len() - 1)]
    }

    /// Takes a token; the end is never passed.
    pub fn next(&mut self) -> Token<'t> {
        let token = self.peek();
        self.at = (self.at + 1).min(self.list.len() - 1);
        token
    }

    /// Takes the next token if it is this symbol.
    pub fn eat(&mut self, symbol: &str) -> bool {
        let found = self.peek().is(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes the next token if it is this word.
    pub fn eat_word(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_word(keyword);
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes this symbol.
    pub fn expect(&mut self, symbol: &str) -> Result<(), ValidationError> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Makes sure that everything was read.
    pub fn end(&self) -> Result<(), ValidationError> {
        if self.peek().kind == Kind::End {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The place of the next token, for [`Tokens::token_at`].
    pub fn position(&self) -> usize {
        self.at
    }

    /// The token at a place; the end for places behind it.
    pub fn token_at(&self, position: usize) -> Token<'t> {
        self.list[position.min(self.list.len() - 1)]
    }

    /// How many tokens there are, the end included.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The refusal of the next token, which the service shows with its neighbours.
    pub fn unexpected(&self) -> ValidationError {
        let token = self.peek();
        let before = self.at.checked_sub(1).map_or(token, |at| self.list[at]);
        let after = match token.kind {
            Kind::End => before,
            _ => match self.peek_second() {
                end if end.kind == Kind::End => token,
                second => second,
            },
        };
        let text = if token.kind == Kind::End { "<EOF>" } else { token.text };
        let near = &self.source[before.start..after.end()];
        ValidationError::new(format!("Syntax error; token: \"{text}\", near: \"{near}\""))
    }
}

/// The token that begins at `start` with `first`.
fn scan(source: &str, start: usize, first: char) -> Token<'_> {
    let rest = &source[start..];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let run = |from: usize, belongs: fn(char) -> bool| {
        rest[from..]
            .find(|c| !belongs(c))
            .map_or(rest.len(), |length| from + length)
    };
    let (kind, length) = match first {
        'a'..='z' | 'A'..='Z' => (Kind::Word, run(1, |c| c.is_ascii_alphanumeric() || c == '_')),
        '0'..='9' => (Kind::Digits, run(1, |c| c.is_ascii_digit())),
        '#' | ':' if rest[1..].starts_with(is_name) => {
            let kind = if first == '#' { Kind::Name } else { Kind::Value };
            (kind, run(1, |c| c.is_ascii_alphanumeric() || c == '_'))
        }
        '<' if rest.starts_with("<=") || rest.starts_with("<>") => (Kind::Symbol, 2),
        '>' if rest.starts_with(">=") => (Kind::Symbol, 2),
        other => (Kind::Symbol, other.len_utf8()),
    };
    Token {
        kind,
        text: &rest[..length],
        start,
    }
}
