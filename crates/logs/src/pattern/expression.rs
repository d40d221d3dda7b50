use super::PatternError;
use super::cursor::Cursor;

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 32;

/// Conditions joined by `&&` and `||`; the former binds tighter.
#[derive(Debug)]
pub(super) enum Expression<T> {
    Condition(T),
    All(Box<Self>, Vec<Self>),
    Any(Box<Self>, Vec<Self>),
}

impl<T> Expression<T> {
    /// Reads an expression whose conditions `condition` reads.
    pub(super) fn parse<F>(cursor: &mut Cursor<'_>, condition: &mut F) -> Result<Self, PatternError>
    where
        F: FnMut(&mut Cursor<'_>) -> Result<T, PatternError>,
    {
        Self::any(cursor, condition, MAX_DEPTH)
    }

    fn any<F>(cursor: &mut Cursor<'_>, condition: &mut F, depth: usize) -> Result<Self, PatternError>
    where
        F: FnMut(&mut Cursor<'_>) -> Result<T, PatternError>,
    {
        let first = Self::all(cursor, condition, depth)?;
        let mut more = Vec::new();
        while next_is(cursor, "||") {
            more.push(Self::all(cursor, condition, depth)?);
        }
        Ok(if more.is_empty() {
            first
        } else {
            Self::Any(Box::new(first), more)
        })
    }

    fn all<F>(cursor: &mut Cursor<'_>, condition: &mut F, depth: usize) -> Result<Self, PatternError>
    where
        F: FnMut(&mut Cursor<'_>) -> Result<T, PatternError>,
    {
        let first = Self::one(cursor, condition, depth)?;
        let mut more = Vec::new();
        while next_is(cursor, "&&") {
            more.push(Self::one(cursor, condition, depth)?);
        }
        Ok(if more.is_empty() {
            first
        } else {
            Self::All(Box::new(first), more)
        })
    }

    fn one<F>(cursor: &mut Cursor<'_>, condition: &mut F, depth: usize) -> Result<Self, PatternError>
    where
        F: FnMut(&mut Cursor<'_>) -> Result<T, PatternError>,
    {
        if !next_is(cursor, "(") {
            cursor.skip_space();
            return condition(cursor).map(Self::Condition);
        }
        let depth = depth.checked_sub(1).ok_or_else(PatternError::pattern)?;
        let inner = Self::any(cursor, condition, depth)?;
        if next_is(cursor, ")") {
            Ok(inner)
        } else {
            Err(PatternError::pattern())
        }
    }

    /// The condition that stands first in the text.
    pub(super) fn first(&self) -> &T {
        match self {
            Self::Condition(condition) => condition,
            Self::All(first, _) | Self::Any(first, _) => first.first(),
        }
    }

    /// Whether the expression holds when `holds` says which conditions do.
    pub(super) fn evaluate(&self, holds: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Condition(condition) => holds(condition),
            Self::All(first, more) => first.evaluate(holds) && more.iter().all(|part| part.evaluate(holds)),
            Self::Any(first, more) => first.evaluate(holds) || more.iter().any(|part| part.evaluate(holds)),
        }
    }
}

fn next_is(cursor: &mut Cursor<'_>, text: &str) -> bool {
    cursor.skip_space();
    cursor.take(text)
}
