use super::PatternError;
use super::cursor::Cursor;
use super::regex::Expression;

/// What a value is compared with, and how.
#[derive(Debug)]
pub(super) enum Comparison {
    Equal(Operand),
    NotEqual(Operand),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
}

#[derive(Debug)]
pub(super) enum Operand {
    Text { text: Wildcard, number: Option<f64> },
    Regex(Expression),
}

/// Text with an asterisk at its start, its end or both; elsewhere an asterisk is only itself, as AWS documents.
#[derive(Debug)]
pub(super) struct Wildcard {
    body: String,
    open_start: bool,
    open_end: bool,
}

impl Wildcard {
    fn new(text: &str) -> Self {
        if text == "*" {
            return Self {
                body: String::new(),
                open_start: true,
                open_end: true,
            };
        }
        let open_start = text.starts_with('*');
        let text = text.strip_prefix('*').unwrap_or(text);
        let open_end = text.ends_with('*');
        Self {
            body: text.strip_suffix('*').unwrap_or(text).to_owned(),
            open_start,
            open_end,
        }
    }

    fn matches(&self, value: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => value == self.body,
            (false, true) => value.starts_with(&self.body),
            (true, false) => value.ends_with(&self.body),
            (true, true) => value.contains(&self.body),
        }
    }
}

/// A value that an event offers: its text, and its number when it is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) number: Option<f64>,
}

impl Comparison {
    /// Reads an operator and its operand; `stops` are the characters that end an unquoted operand.
    pub(super) fn parse(cursor: &mut Cursor<'_>, stops: &[char], regexes: &mut usize) -> Result<Self, PatternError> {
        cursor.skip_space();
        // `=!` is how one of AWS's own examples spells `!=`: `[w1=!ERROR&&w1=!WARN, w2]`.
        if cursor.take("!=") || cursor.take("=!") {
            return Operand::parse(cursor, stops, regexes).map(Self::NotEqual);
        }
        if cursor.take("=") {
            return Operand::parse(cursor, stops, regexes).map(Self::Equal);
        }
        let make: fn(f64) -> Self = if cursor.take("<=") {
            Self::LessOrEqual
        } else if cursor.take(">=") {
            Self::GreaterOrEqual
        } else if cursor.take("<") {
            Self::Less
        } else if cursor.take(">") {
            Self::Greater
        } else {
            return Err(PatternError::term(cursor.take_bare(stops)));
        };
        match Operand::parse(cursor, stops, regexes)? {
            Operand::Text {
                number: Some(number), ..
            } => Ok(make(number)),
            Operand::Text { text, .. } => Err(PatternError::term(&format!("\"{}\"", text.body))),
            Operand::Regex(_) => Err(PatternError::pattern()),
        }
    }

    pub(super) fn matches(&self, value: Value<'_>) -> bool {
        let order =
            |holds: fn(&f64, &f64) -> bool, bound: &f64| value.number.is_some_and(|number| holds(&number, bound));
        match self {
            Self::Equal(operand) => operand.matches(value),
            Self::NotEqual(operand) => !operand.matches(value),
            Self::Less(bound) => order(f64::lt, bound),
            Self::LessOrEqual(bound) => order(f64::le, bound),
            Self::Greater(bound) => order(f64::gt, bound),
            Self::GreaterOrEqual(bound) => order(f64::ge, bound),
        }
    }
}

impl Operand {
    fn parse(cursor: &mut Cursor<'_>, stops: &[char], regexes: &mut usize) -> Result<Self, PatternError> {
        cursor.skip_space();
        match cursor.peek() {
            Some('"') => {
                let text = Wildcard::new(&cursor.take_quoted('"')?);
                Ok(Self::Text { text, number: None })
            }
            Some('%') => {
                *regexes += 1;
                if *regexes > super::regex::MAX_IN_PATTERN {
                    return Err(PatternError::pattern());
                }
                Expression::parse(cursor.take_regex()?).map(Self::Regex)
            }
            _ => {
                let text = cursor.take_bare(stops);
                if let Some(bad) = text.chars().find(|&c| !is_bare(c)) {
                    return Err(PatternError::term(&bad.to_string()));
                }
                if text.is_empty() {
                    return Err(PatternError::pattern());
                }
                Ok(Self::Text {
                    text: Wildcard::new(text),
                    number: number(text),
                })
            }
        }
    }

    fn matches(&self, value: Value<'_>) -> bool {
        match self {
            Self::Text { text, number } => match (number, value.number) {
                (Some(number), Some(value)) => *number == value,
                _ => text.matches(value.text),
            },
            Self::Regex(expression) => expression.is_match(value.text),
        }
    }
}

/// What may stand in an operand that no quotes enclose.
fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || "_-.*/:@#+$".contains(c)
}

/// A number as patterns write it: digits with an optional sign, fraction and exponent; no `inf`, no `nan`.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain && text.bytes().any(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
