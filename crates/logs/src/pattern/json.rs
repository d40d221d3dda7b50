use super::PatternError;
use super::comparison::{Comparison, Value};
use super::cursor::Cursor;
use super::expression::Expression;

/// One selector holds at most one wildcard, a pattern at most three (AWS's quotas).
const MAX_WILDCARDS: usize = 3;
/// What ends an unquoted operand.
const STOPS: &[char] = &[')', '}', '"', ','];

/// `{ … }`: conditions on the members of a message that is JSON. A message that is none does not match.
#[derive(Debug)]
pub(super) struct JsonPattern(Expression<Condition>);

#[derive(Debug)]
struct Condition {
    selector: Vec<Step>,
    test: Test,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Element(usize),
    Any,
}

#[derive(Debug)]
enum Test {
    Compare(Comparison),
    IsNull,
    IsBoolean(bool),
    Exists,
    NotExists,
}

impl JsonPattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        cursor.bump();
        let (mut regexes, mut wildcards) = (0, 0);
        let expression = Expression::parse(&mut cursor, &mut |cursor: &mut Cursor<'_>| {
            let condition = Condition::parse(cursor, &mut regexes)?;
            wildcards += condition
                .selector
                .iter()
                .filter(|step| matches!(step, Step::Any))
                .count();
            if wildcards > MAX_WILDCARDS {
                Err(PatternError::pattern())
            } else {
                Ok(condition)
            }
        })?;
        cursor.skip_space();
        if !cursor.take("}") {
            return Err(PatternError::term(&cursor.peek().map(String::from).unwrap_or_default()));
        }
        cursor.skip_space();
        if cursor.is_at_end() {
            Ok(Self(expression))
        } else {
            Err(PatternError::pattern())
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        // Most lines of a mixed log are no JSON; the first character tells cheaply.
        if !message.trim_start().starts_with(['{', '[']) {
            return false;
        }
        let Ok(document) = serde_json::from_str::<serde_json::Value>(message) else {
            return false;
        };
        self.0.evaluate(&|condition| condition.holds(&document))
    }
}

impl Condition {
    fn parse(cursor: &mut Cursor<'_>, regexes: &mut usize) -> Result<Self, PatternError> {
        let selector = parse_selector(cursor)?;
        cursor.skip_space();
        let test = if cursor.take_word("IS") {
            cursor.skip_space();
            if cursor.take_word("NULL") {
                Test::IsNull
            } else if cursor.take_word("TRUE") {
                Test::IsBoolean(true)
            } else if cursor.take_word("FALSE") {
                Test::IsBoolean(false)
            } else {
                return Err(PatternError::term(cursor.take_bare(STOPS)));
            }
        } else if cursor.take_word("NOT") {
            cursor.skip_space();
            if !cursor.take_word("EXISTS") {
                return Err(PatternError::term(cursor.take_bare(STOPS)));
            }
            Test::NotExists
        } else if cursor.take_word("EXISTS") {
            Test::Exists
        } else {
            Test::Compare(Comparison::parse(cursor, STOPS, regexes)?)
        };
        Ok(Self { selector, test })
    }

    fn holds(&self, document: &serde_json::Value) -> bool {
        let any = |test: &dyn Fn(&serde_json::Value) -> bool| visit(document, &self.selector, test);
        match &self.test {
            Test::Compare(comparison) => any(&|value| compare(comparison, value)),
            Test::IsNull => any(&serde_json::Value::is_null),
            Test::IsBoolean(wanted) => any(&|value| value.as_bool() == Some(*wanted)),
            Test::Exists => any(&|_| true),
            Test::NotExists => !any(&|_| true),
        }
    }
}

/// Only strings and numbers have a value to compare; an object, an array, a boolean or null matches neither `=` nor `!=`.
fn compare(comparison: &Comparison, value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => comparison.matches(Value { text, number: None }),
        serde_json::Value::Number(number) => comparison.matches(Value {
            text: &number.to_string(),
            number: number.as_f64(),
        }),
        _ => false,
    }
}

fn visit(value: &serde_json::Value, selector: &[Step], test: &dyn Fn(&serde_json::Value) -> bool) -> bool {
    let Some((step, rest)) = selector.split_first() else {
        return test(value);
    };
    match (step, value) {
        (Step::Member(name), serde_json::Value::Object(members)) => {
            members.get(name).is_some_and(|member| visit(member, rest, test))
        }
        (Step::Element(index), serde_json::Value::Array(elements)) => {
            elements.get(*index).is_some_and(|element| visit(element, rest, test))
        }
        (Step::Any, serde_json::Value::Array(elements)) => elements.iter().any(|element| visit(element, rest, test)),
        (Step::Any, serde_json::Value::Object(members)) => members.values().any(|member| visit(member, rest, test)),
        _ => false,
    }
}

/// `$.name`, `$.name[0]`, `$.name[*]`, `$.*`, `$.['dotted.name']`.
fn parse_selector(cursor: &mut Cursor<'_>) -> Result<Vec<Step>, PatternError> {
    if !cursor.take("$") {
        return Err(PatternError::term(cursor.take_bare(STOPS)));
    }
    let mut steps = Vec::new();
    loop {
        let dotted = cursor.take(".");
        if cursor.take("[") {
            steps.push(parse_bracket(cursor)?);
        } else if dotted {
            if cursor.take("*") {
                steps.push(Step::Any);
                continue;
            }
            let name = cursor.take_while(|c| c.is_alphanumeric() || "_-@#:".contains(c));
            if name.is_empty() {
                let bad = cursor.peek().map(String::from).unwrap_or_default();
                return Err(PatternError::term(&format!("$.{bad}")));
            }
            steps.push(Step::Member(name.to_owned()));
        } else {
            break;
        }
    }
    let wildcards = steps.iter().filter(|step| matches!(step, Step::Any)).count();
    if steps.is_empty() || wildcards > 1 {
        Err(PatternError::pattern())
    } else {
        Ok(steps)
    }
}

fn parse_bracket(cursor: &mut Cursor<'_>) -> Result<Step, PatternError> {
    cursor.skip_space();
    let step = match cursor.peek() {
        Some(quote @ ('\'' | '"')) => Step::Member(cursor.take_quoted(quote)?),
        Some('*') => {
            cursor.bump();
            Step::Any
        }
        _ => {
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            Step::Element(digits.parse().map_err(|_| PatternError::term("["))?)
        }
    };
    cursor.skip_space();
    if cursor.take("]") {
        Ok(step)
    } else {
        Err(PatternError::term("["))
    }
}
