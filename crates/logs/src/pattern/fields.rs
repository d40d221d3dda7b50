use super::PatternError;
use super::comparison::{Comparison, Value, number};
use super::cursor::Cursor;
use super::expression::Expression;
use std::collections::BTreeMap;

/// What ends an unquoted operand.
const STOPS: &[char] = &[')', ']', '"', ','];

/// `[name, name = condition, ..., name]`: conditions on the fields of a message that spaces separate.
#[derive(Debug)]
pub(super) struct FieldsPattern {
    /// The fields before the ellipsis, or all.
    head: Vec<Field>,
    /// The fields after the ellipsis, when there is one.
    tail: Option<Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    /// Empty when the pattern gives the field no name.
    name: String,
    condition: Option<Expression<Condition>>,
}

/// A comparison of the field with this name. AWS's examples name the field itself, or another one of the pattern.
#[derive(Debug)]
struct Condition {
    name: String,
    comparison: Comparison,
}

impl FieldsPattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        cursor.bump();
        let mut pattern = Self {
            head: vec![],
            tail: None,
        };
        let mut regexes = 0;
        loop {
            cursor.skip_space();
            if cursor.take("...") || cursor.take("…") {
                if pattern.tail.replace(vec![]).is_some() {
                    return Err(PatternError::pattern());
                }
            } else {
                let field = Field::parse(&mut cursor, &mut regexes)?;
                pattern.tail.as_mut().unwrap_or(&mut pattern.head).push(field);
            }
            cursor.skip_space();
            if cursor.take("]") {
                break;
            }
            if !cursor.take(",") {
                return Err(PatternError::term(
                    cursor.take_while(|c| !c.is_whitespace() && c != ',' && c != ']'),
                ));
            }
        }
        cursor.skip_space();
        if cursor.is_at_end() {
            Ok(pattern)
        } else {
            Err(PatternError::pattern())
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let values = split(message);
        self.pairs(&values).is_some_and(|pairs| accepts(&pairs))
    }

    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let values = split(message);
        let pairs = self.pairs(&values).filter(|pairs| accepts(pairs))?;
        let mut extracted: BTreeMap<_, _> = values
            .iter()
            .enumerate()
            .map(|(at, value)| (at, (format!("${}", at + 1), (*value).to_owned())))
            .collect();
        for (at, field, value) in pairs.into_iter().filter(|(_, field, _)| !field.name.is_empty()) {
            extracted.insert(at, (format!("${}", field.name), value.to_owned()));
        }
        Some(extracted.into_values().collect())
    }

    /// Each field of the pattern with the position and the text it stands for; `None` when the number of fields differs.
    fn pairs<'a>(&'a self, values: &'a [&'a str]) -> Option<Vec<(usize, &'a Field, &'a str)>> {
        let tail = self.tail.as_deref().unwrap_or_default();
        let rest = values.len().checked_sub(self.head.len() + tail.len())?;
        if self.tail.is_none() && rest > 0 {
            return None;
        }
        let from = self.head.len() + rest;
        let head = self.head.iter().enumerate();
        let tail = tail.iter().enumerate().map(move |(at, field)| (from + at, field));
        Some(head.chain(tail).map(|(at, field)| (at, field, values[at])).collect())
    }
}

impl Field {
    fn parse(cursor: &mut Cursor<'_>, regexes: &mut usize) -> Result<Self, PatternError> {
        let mut ahead = *cursor;
        let name = take_name(&mut ahead);
        ahead.skip_space();
        if matches!(ahead.peek(), Some(',' | ']')) {
            *cursor = ahead;
            return Ok(Self {
                name: name.to_owned(),
                condition: None,
            });
        }
        let condition = Expression::parse(cursor, &mut |cursor: &mut Cursor<'_>| {
            let name = take_name(cursor);
            if name.is_empty() {
                return Err(PatternError::term(cursor.take_bare(STOPS)));
            }
            Ok(Condition {
                name: name.to_owned(),
                comparison: Comparison::parse(cursor, STOPS, regexes)?,
            })
        })?;
        let name = condition.first().name.clone();
        Ok(Self {
            name,
            condition: Some(condition),
        })
    }
}

fn accepts(pairs: &[(usize, &Field, &str)]) -> bool {
    pairs.iter().all(|(_, field, own)| {
        let holds = |condition: &Condition| {
            let named = pairs.iter().find(|(_, other, _)| other.name == condition.name);
            let text = named.map_or(*own, |(_, _, text)| *text);
            condition.comparison.matches(Value {
                text,
                number: number(text),
            })
        };
        field
            .condition
            .as_ref()
            .is_none_or(|condition| condition.evaluate(&holds))
    })
}

fn take_name<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    cursor.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// The fields of a message: runs between spaces, and what square brackets or double quotes enclose, without them.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        let enclosed = close
            .and_then(|close| rest[1..].find(close))
            .map(|end| (&rest[1..=end], &rest[end + 2..]));
        let (field, tail) = enclosed.unwrap_or_else(|| match rest.find(char::is_whitespace) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        });
        fields.push(field);
        rest = tail.trim_start();
    }
    fields
}
