use super::PatternError;
use super::cursor::Cursor;
use super::regex::{Expression, MAX_IN_PATTERN};

/// Words, phrases and expressions that a message must hold, may hold (`?`) or must not hold (`-`); case matters.
#[derive(Debug)]
pub(super) struct Terms {
    required: Vec<Term>,
    optional: Vec<Term>,
    excluded: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Expression),
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut terms = Self {
            required: vec![],
            optional: vec![],
            excluded: vec![],
        };
        let mut cursor = Cursor::new(text);
        let mut regexes = 0;
        loop {
            cursor.skip_space();
            if cursor.is_at_end() {
                break;
            }
            let kind = if cursor.take("?") {
                &mut terms.optional
            } else if cursor.take("-") {
                // AWS's own example writes `"ERROR" - "Exiting"`.
                cursor.skip_space();
                &mut terms.excluded
            } else {
                &mut terms.required
            };
            kind.push(Term::parse(&mut cursor, &mut regexes)?);
        }
        // AWS: "If you combine `?` with other filter patterns, the `?` is ignored."
        if !(terms.required.is_empty() && terms.excluded.is_empty()) {
            terms.optional.clear();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        self.required.iter().all(|term| term.matches(message))
            && !self.excluded.iter().any(|term| term.matches(message))
            && (self.optional.is_empty() || self.optional.iter().any(|term| term.matches(message)))
    }
}

impl Term {
    fn parse(cursor: &mut Cursor<'_>, regexes: &mut usize) -> Result<Self, PatternError> {
        match cursor.peek() {
            Some('"') => cursor.take_quoted('"').map(Self::Text),
            Some('%') => {
                *regexes += 1;
                if *regexes > MAX_IN_PATTERN {
                    return Err(PatternError::pattern());
                }
                Expression::parse(cursor.take_regex()?).map(Self::Regex)
            }
            _ => {
                let word = cursor.take_while(|c| !c.is_whitespace());
                match word.chars().find(|&c| !is_bare(c)) {
                    Some(bad) => Err(PatternError::term(&bad.to_string())),
                    None if word.is_empty() => Err(PatternError::pattern()),
                    None => Ok(Self::Text(word.to_owned())),
                }
            }
        }
    }

    fn matches(&self, message: &str) -> bool {
        match self {
            // `" "` is the documented way to ask for everything.
            Self::Text(text) => text.trim().is_empty() || message.contains(text.as_str()),
            Self::Regex(expression) => expression.is_match(message),
        }
    }
}

/// What may stand in a word without quotes. AWS documents letters, digits and the underscore and refuses `:`, `,`, `(`,
/// `[`, `*`, `\` and the like; the few others here can mean nothing else.
fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || "_.-/@#$=+".contains(c)
}
