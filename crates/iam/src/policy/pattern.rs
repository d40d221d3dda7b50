//! Texts with `*`, `?` and policy variables.

use super::request::ContextKeys;
use std::borrow::Cow;

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(char),
    /// `?`: one character.
    One,
    /// `*`: any number of characters.
    Any,
}

/// A pattern as the document has it. Without wildcards and variables it is a plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Written,
}

/// Most patterns have no variables, and then nothing is to be put together for a match.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    Plain(Vec<Piece>),
    WithVariables(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Piece(Piece),
    Variable { key: String, default: Option<String> },
}

/// Whether `${…}` has a meaning: only since version 2012-10-17 of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    Replaced,
    Literal,
}

/// Whether `*` and `?` have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcards {
    Meant,
    Literal,
}

impl Pattern {
    /// Reads a pattern. An unclosed `${` is plain text.
    pub(super) fn parse(text: &str, variables: Variables, wildcards: Wildcards) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables == Variables::Replaced
                && let Some(after) = rest.strip_prefix("${")
                && let Some((inner, after)) = after.split_once('}')
            {
                parts.push(variable(inner));
                rest = after;
                continue;
            }
            parts.push(Part::Piece(match first {
                '*' if wildcards == Wildcards::Meant => Piece::Any,
                '?' if wildcards == Wildcards::Meant => Piece::One,
                text => Piece::Text(text),
            }));
            rest = &rest[first.len_utf8()..];
        }
        let plain: Option<Vec<Piece>> = parts
            .iter()
            .map(|part| match part {
                Part::Piece(piece) => Some(piece.clone()),
                Part::Variable { .. } => None,
            })
            .collect();
        Self {
            text: plain.map_or(Written::WithVariables(parts), Written::Plain),
        }
    }

    /// The names of the variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let parts = match &self.text {
            Written::Plain(_) => &[],
            Written::WithVariables(parts) => parts.as_slice(),
        };
        parts.iter().filter_map(|part| match part {
            Part::Variable { key, .. } => Some(key.as_str()),
            Part::Piece(_) => None,
        })
    }

    /// Whether the pattern, with its variables replaced, matches `text`. A variable without a value and without a default
    /// makes it match nothing. Values that replace variables are plain text: a `*` in them is an asterisk.
    pub(super) fn matches(&self, text: &str, context: &ContextKeys) -> bool {
        self.replaced(context).is_some_and(|pieces| glob(&pieces, text, false))
    }

    /// The same without minding the case of letters.
    pub(super) fn matches_ignoring_case(&self, text: &str, context: &ContextKeys) -> bool {
        self.replaced(context).is_some_and(|pieces| glob(&pieces, text, true))
    }

    /// Whether the pattern, taken as an ARN, matches `text`: each of the six fields by itself, so that a wildcard does not
    /// reach over a colon; fields that the pattern leaves out match everything. What is no ARN is matched whole.
    pub(super) fn matches_arn(&self, text: &str, context: &ContextKeys) -> bool {
        let Some(pieces) = self.replaced(context) else {
            return false;
        };
        if *pieces == [Piece::Any] {
            return true;
        }
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let patterns = split_fields(&pieces);
        if fields.len() < 6 || fields[0] != "arn" || patterns.len() < 2 {
            return glob(&pieces, text, false);
        }
        patterns
            .iter()
            .zip(&fields)
            .all(|(pattern, field)| glob(pattern, field, false))
    }

    /// The text with its variables replaced, for operators that know no wildcards.
    pub(super) fn text(&self, context: &ContextKeys) -> Option<String> {
        let pieces = self.replaced(context)?;
        Some(
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => *text,
                    Piece::One => '?',
                    Piece::Any => '*',
                })
                .collect(),
        )
    }

    fn replaced(&self, context: &ContextKeys) -> Option<Cow<'_, [Piece]>> {
        let parts = match &self.text {
            Written::Plain(pieces) => return Some(Cow::Borrowed(pieces)),
            Written::WithVariables(parts) => parts,
        };
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Piece(piece) => pieces.push(piece.clone()),
                Part::Variable { key, default } => {
                    let value = match context.get(key) {
                        // A key with several values stands for no single text.
                        Some([one]) => one,
                        _ => default.as_ref()?,
                    };
                    pieces.extend(value.chars().map(Piece::Text));
                }
            }
        }
        Some(Cow::Owned(pieces))
    }
}

fn variable(inner: &str) -> Part {
    match inner {
        "*" => return Part::Piece(Piece::Text('*')),
        "?" => return Part::Piece(Piece::Text('?')),
        "$" => return Part::Piece(Piece::Text('$')),
        _ => {}
    }
    let (key, default) = match inner.split_once(',') {
        None => (inner, None),
        Some((key, default)) => {
            let default = default.trim();
            let quoted = default.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (key, Some(quoted.unwrap_or(default).to_owned()))
        }
    };
    Part::Variable {
        key: key.trim().to_owned(),
        default,
    }
}

fn split_fields(pieces: &[Piece]) -> Vec<&[Piece]> {
    pieces.splitn(6, |piece| *piece == Piece::Text(':')).collect()
}

/// Matches in at most `pieces × text` steps: on a mismatch only the last `*` takes one character more.
fn glob(pieces: &[Piece], text: &str, ignore_case: bool) -> bool {
    let same = |a: char, b: char| a == b || (ignore_case && a.to_lowercase().eq(b.to_lowercase()));
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while t < text.len() {
        match pieces.get(p) {
            Some(Piece::Any) => {
                last_any = Some((p, t));
                p += 1;
            }
            Some(Piece::One) => {
                p += 1;
                t += 1;
            }
            Some(Piece::Text(wanted)) if same(*wanted, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((any, from)) = last_any else { return false };
                last_any = Some((any, from + 1));
                p = any + 1;
                t = from + 1;
            }
        }
    }
    pieces[p..].iter().all(|piece| *piece == Piece::Any)
}
