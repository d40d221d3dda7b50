//! Metric math: numbers, other queries by their ids, `+ - * / ^`, and the functions of [`FUNCTIONS`].
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>.

use std::collections::BTreeMap;

/// The functions that are built.
pub(super) const FUNCTIONS: [&str; 9] = ["SUM", "AVG", "MIN", "MAX", "FILL", "ABS", "CEIL", "FLOOR", "METRICS"];
/// The deepest nesting of an expression.
const MAX_DEPTH: usize = 32;

/// Values by time in seconds.
pub(super) type Series = BTreeMap<i64, f64>;

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    One(Series),
    /// Several, which only functions over several take; with their ids.
    Many(Vec<(String, Series)>),
}

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Id(String),
    Negative(Box<Expression>),
    Both(char, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
    List(Vec<Expression>),
}

/// What the rest of a request knows: the queries that have been answered, and all times that FILL fills.
pub(super) struct Known<'k> {
    pub series: &'k BTreeMap<String, Series>,
    /// The ids of queries that are metrics themselves, in order.
    pub metrics: &'k [String],
    pub times: &'k [i64],
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let expression = parser.sum(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(format!("unexpected '{}'", &text[parser.at..]));
        }
        Ok(expression)
    }

    /// The ids that it names; `METRICS` names all metrics.
    pub(super) fn ids<'e>(&'e self, ids: &mut Vec<&'e str>) {
        match self {
            Self::Number(_) | Self::Text(_) => {}
            Self::Id(id) => ids.push(id),
            Self::Negative(one) => one.ids(ids),
            Self::Both(_, one, other) => {
                one.ids(ids);
                other.ids(ids);
            }
            Self::Call(_, parts) | Self::List(parts) => parts.iter().for_each(|part| part.ids(ids)),
        }
    }

    pub(super) fn value(&self, known: &Known<'_>) -> Result<Value, String> {
        match self {
            Self::Number(number) => Ok(Value::Number(*number)),
            Self::Text(text) => Err(format!("the text '{text}' is no value")),
            Self::Id(id) => known
                .series
                .get(id)
                .cloned()
                .map(Value::One)
                .ok_or_else(|| format!("there is no query {id}")),
            Self::Negative(one) => each(one.value(known)?, |value| Some(-value)),
            Self::Both(operator, one, other) => both(*operator, one.value(known)?, other.value(known)?),
            Self::List(parts) => {
                let mut many = Vec::new();
                for part in parts {
                    match part.value(known)? {
                        Value::One(series) => many.push((String::new(), series)),
                        Value::Many(more) => many.extend(more),
                        Value::Number(_) => return Err("a list holds metrics, not numbers".into()),
                    }
                }
                Ok(Value::Many(many))
            }
            Self::Call(name, parts) => call(name, parts, known),
        }
    }
}

fn call(name: &str, parts: &[Expression], known: &Known<'_>) -> Result<Value, String> {
    match (name, parts) {
        ("METRICS", []) => {
            let all = known
                .metrics
                .iter()
                .filter_map(|id| Some((id.clone(), known.series.get(id)?.clone())));
            Ok(Value::Many(all.collect()))
        }
        ("METRICS", [Expression::Text(part)]) => {
            let named = known.metrics.iter().filter(|id| id.contains(part.as_str()));
            Ok(Value::Many(
                named
                    .filter_map(|id| Some((id.clone(), known.series.get(id)?.clone())))
                    .collect(),
            ))
        }
        ("FILL", [what, with]) => {
            let filled = what.value(known)?;
            let fill = |series: Series| -> Result<Series, String> {
                let mut full = Series::new();
                let number = match with {
                    Expression::Id(word) if word == "REPEAT" || word == "LINEAR" => None,
                    other => match other.value(known)? {
                        Value::Number(number) => Some(number),
                        _ => return Err("FILL fills with a number, REPEAT or LINEAR".into()),
                    },
                };
                let linear = matches!(with, Expression::Id(word) if word == "LINEAR");
                for at in known.times {
                    let value = match (series.get(at), number) {
                        (Some(value), _) => Some(*value),
                        (None, Some(number)) => Some(number),
                        (None, None) => between(&series, *at, linear),
                    };
                    if let Some(value) = value {
                        full.insert(*at, value);
                    }
                }
                Ok(full)
            };
            match filled {
                Value::Number(_) => Err("FILL takes metrics".into()),
                Value::One(series) => fill(series).map(Value::One),
                Value::Many(many) => many
                    .into_iter()
                    .map(|(id, series)| Ok((id, fill(series)?)))
                    .collect::<Result<_, _>>()
                    .map(Value::Many),
            }
        }
        ("SUM" | "AVG" | "MIN" | "MAX", [what]) => Ok(match what.value(known)? {
            Value::Number(number) => Value::Number(number),
            // Of one metric: a number for all its values.
            Value::One(series) => Value::Number(reduced(name, &series.into_values().collect::<Vec<_>>())),
            // Of several: value by value.
            Value::Many(many) => {
                let mut at: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
                for (time, value) in many.into_iter().flat_map(|(_, series)| series) {
                    at.entry(time).or_default().push(value);
                }
                Value::One(
                    at.into_iter()
                        .map(|(time, values)| (time, reduced(name, &values)))
                        .collect(),
                )
            }
        }),
        ("ABS", [what]) => each(what.value(known)?, |value| Some(value.abs())),
        ("CEIL", [what]) => each(what.value(known)?, |value| Some(value.ceil())),
        ("FLOOR", [what]) => each(what.value(known)?, |value| Some(value.floor())),
        (name, _) if FUNCTIONS.contains(&name) => Err(format!("the arguments of {name} are wrong")),
        (name, _) => Err(format!(
            "the function {name} is not built; {} are",
            FUNCTIONS.join(", ")
        )),
    }
}

/// The value of a gap: the last one before, or on the line between its neighbours.
fn between(series: &Series, at: i64, linear: bool) -> Option<f64> {
    let before = series.range(..at).next_back();
    let after = series.range(at..).next();
    match (before, after) {
        (Some((t0, v0)), Some((t1, v1))) if linear => Some(v0 + (v1 - v0) * (at - t0) as f64 / (t1 - t0) as f64),
        (Some((_, value)), _) => Some(*value),
        (None, _) => None,
    }
}

fn reduced(name: &str, values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    match name {
        "SUM" => sum,
        "AVG" if values.is_empty() => 0.0,
        "AVG" => sum / values.len() as f64,
        "MIN" => values.iter().copied().reduce(f64::min).unwrap_or_default(),
        _ => values.iter().copied().reduce(f64::max).unwrap_or_default(),
    }
}

fn each(value: Value, change: impl Fn(f64) -> Option<f64>) -> Result<Value, String> {
    let all = |series: Series| {
        series
            .into_iter()
            .filter_map(|(at, value)| Some((at, change(value)?)))
            .collect()
    };
    Ok(match value {
        Value::Number(number) => Value::Number(change(number).unwrap_or_default()),
        Value::One(series) => Value::One(all(series)),
        Value::Many(many) => Value::Many(many.into_iter().map(|(id, series)| (id, all(series))).collect()),
    })
}

fn both(operator: char, one: Value, other: Value) -> Result<Value, String> {
    // What divides by nought has no value, as in CloudWatch.
    let compute = |a: f64, b: f64| {
        let value = match operator {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            '/' => a / b,
            _ => a.powf(b),
        };
        value.is_finite().then_some(value)
    };
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => compute(a, b)
            .map(Value::Number)
            .ok_or_else(|| "a division by nought".into()),
        (value, Value::Number(b)) => each(value, |a| compute(a, b)),
        (Value::Number(a), value) => each(value, |b| compute(a, b)),
        (Value::One(a), Value::One(b)) => Ok(Value::One(joined(&a, &b, compute))),
        (Value::Many(many), Value::One(b)) => Ok(Value::Many(
            many.into_iter().map(|(id, a)| (id, joined(&a, &b, compute))).collect(),
        )),
        (Value::One(a), Value::Many(many)) => Ok(Value::Many(
            many.into_iter().map(|(id, b)| (id, joined(&a, &b, compute))).collect(),
        )),
        (Value::Many(_), Value::Many(_)) => Err("two lists of metrics have no sum; use SUM".into()),
    }
}

fn joined(a: &Series, b: &Series, compute: impl Fn(f64, f64) -> Option<f64>) -> Series {
    a.iter()
        .filter_map(|(at, value)| Some((*at, compute(*value, *b.get(at)?)?)))
        .collect()
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.text[self.at..].starts_with(char::is_whitespace) {
            self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
        }
    }

    fn next(&mut self) -> Option<char> {
        self.space();
        self.text[self.at..].chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.next() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".into());
        }
        let mut left = self.product(depth)?;
        while let Some(operator @ ('+' | '-')) = self.next() {
            self.at += 1;
            left = Expression::Both(operator, left.into(), self.product(depth)?.into());
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.power(depth)?;
        while let Some(operator @ ('*' | '/')) = self.next() {
            self.at += 1;
            left = Expression::Both(operator, left.into(), self.power(depth)?.into());
        }
        Ok(left)
    }

    fn power(&mut self, depth: usize) -> Result<Expression, String> {
        let left = self.unary(depth)?;
        if self.eat('^') {
            if depth > MAX_DEPTH {
                return Err("the expression is nested too deeply".into());
            }
            return Ok(Expression::Both('^', left.into(), self.power(depth + 1)?.into()));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".into());
        }
        if self.eat('-') {
            return Ok(Expression::Negative(self.unary(depth + 1)?.into()));
        }
        match self.next() {
            Some('(') => {
                self.at += 1;
                let inside = self.sum(depth + 1)?;
                if self.eat(')') {
                    Ok(inside)
                } else {
                    Err("a ')' is missing".into())
                }
            }
            Some('[') => {
                self.at += 1;
                self.parts(']', depth).map(Expression::List)
            }
            Some(quote @ ('"' | '\'')) => {
                let rest = &self.text[self.at + 1..];
                let end = rest.find(quote).ok_or("a quote is missing")?;
                self.at += end + 2;
                Ok(Expression::Text(rest[..end].to_owned()))
            }
            Some(c) if c.is_ascii_digit() || c == '.' => {
                let rest = &self.text[self.at..];
                let length = rest
                    .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                    .unwrap_or(rest.len());
                self.at += length;
                rest[..length]
                    .parse()
                    .map(Expression::Number)
                    .map_err(|_| format!("'{}' is no number", &rest[..length]))
            }
            Some(c) if c.is_ascii_alphabetic() => {
                let rest = &self.text[self.at..];
                let length = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                self.at += length;
                let word = rest[..length].to_owned();
                if self.eat('(') {
                    return Ok(Expression::Call(word.to_ascii_uppercase(), self.parts(')', depth)?));
                }
                Ok(Expression::Id(word))
            }
            Some(other) => Err(format!("unexpected '{other}'")),
            None => Err("the expression ends early".into()),
        }
    }

    fn parts(&mut self, end: char, depth: usize) -> Result<Vec<Expression>, String> {
        let mut parts = Vec::new();
        if self.eat(end) {
            return Ok(parts);
        }
        loop {
            parts.push(self.sum(depth + 1)?);
            if self.eat(end) {
                return Ok(parts);
            }
            if !self.eat(',') {
                return Err(format!("a '{end}' is missing"));
            }
        }
    }
}
