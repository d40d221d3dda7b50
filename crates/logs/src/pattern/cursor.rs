use super::PatternError;

/// A place in a pattern's text, and the lexical rules that all kinds of patterns share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `text` if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a keyword, in any case, if it comes next and ends at a word's end.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let Some(head) = self.rest.get(..word.len()) else {
            return false;
        };
        let tail = &self.rest[word.len()..];
        let ends = tail.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        if head.eq_ignore_ascii_case(word) && ends {
            self.rest = tail;
            return true;
        }
        false
    }

    /// Takes the longest run of characters for which `keep` holds, perhaps none.
    pub(super) fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (head, tail) = self.rest.split_at(end);
        self.rest = tail;
        head
    }

    /// Takes characters up to white space, one of `stops`, `&&` or `||`.
    pub(super) fn take_bare(&mut self, stops: &[char]) -> &'a str {
        let ends = |at: usize, c: char| {
            c.is_whitespace()
                || stops.contains(&c)
                || self.rest[at..].starts_with("&&")
                || self.rest[at..].starts_with("||")
        };
        let end = self
            .rest
            .char_indices()
            .find(|&(at, c)| ends(at, c))
            .map_or(self.rest.len(), |(at, _)| at);
        let (head, tail) = self.rest.split_at(end);
        self.rest = tail;
        head
    }

    /// Takes a string between `quote`s, whose opening one comes next: `\"` and `\\` stand for the character after the
    /// backslash, any other backslash for itself.
    pub(super) fn take_quoted(&mut self, quote: char) -> Result<String, PatternError> {
        let whole = self.rest;
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                c if c == quote => return Ok(text),
                '\\' if self.peek().is_some_and(|next| next == quote || next == '\\') => {
                    text.extend(self.bump());
                }
                c => text.push(c),
            }
        }
        Err(PatternError::term(whole))
    }

    /// Takes what stands between `%` and the next `%` that no backslash precedes.
    pub(super) fn take_regex(&mut self) -> Result<&'a str, PatternError> {
        let whole = self.rest;
        self.bump();
        let body = self.rest;
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            match c {
                '%' if !escaped => {
                    self.rest = &body[at + 1..];
                    return Ok(&body[..at]);
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        Err(PatternError::term(whole))
    }
}
