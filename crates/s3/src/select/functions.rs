//! The functions of the language.

use time::{Duration, OffsetDateTime};

use super::ast::{Expr, Function, Part};
use super::error::{argument, refused};
use super::eval::{Scope, compared};
use super::value::{Value, timestamp};
use crate::Result;

/// # Errors
/// `IncorrectSqlFunctionArgumentType`, and what the arguments come to.
pub(super) fn call(function: Function, arguments: &[Expr], scope: &Scope<'_>) -> Result<Value> {
    if function == Function::Coalesce {
        for expr in arguments {
            let value = expr.eval(scope)?;
            if !value.is_absent() {
                return Ok(value);
            }
        }
        return Ok(Value::Null);
    }
    let values = arguments
        .iter()
        .map(|expr| expr.eval(scope))
        .collect::<Result<Vec<_>>>()?;
    if function == Function::NullIf {
        let [left, right] = values.as_slice() else {
            return Ok(Value::Null);
        };
        let same = compared(super::ast::Operator::Equal, left, right) == Some(true);
        return Ok(if same { Value::Null } else { left.clone() });
    }
    if function == Function::UtcNow {
        return Ok(Value::Timestamp(scope.now));
    }
    if values.iter().any(Value::is_absent) {
        return Ok(Value::Null);
    }
    match (function, values.as_slice()) {
        (Function::CharLength, [text]) => Ok(Value::Integer(text_of(text, "CHAR_LENGTH")?.chars().count() as i64)),
        (Function::Lower, [text]) => Ok(Value::Text(text_of(text, "LOWER")?.to_lowercase())),
        (Function::Upper, [text]) => Ok(Value::Text(text_of(text, "UPPER")?.to_uppercase())),
        (Function::Substring, [text, from, rest @ ..]) => substring(text, from, rest.first()),
        (Function::TrimBoth, [set, text]) => trim(set, text, true, true),
        (Function::TrimLeading, [set, text]) => trim(set, text, true, false),
        (Function::TrimTrailing, [set, text]) => trim(set, text, false, true),
        (Function::ToTimestamp, [text]) => timestamp(text_of(text, "TO_TIMESTAMP")?)
            .map(Value::Timestamp)
            .ok_or_else(|| argument("TO_TIMESTAMP")),
        (Function::ToString, [time, format]) => {
            let (time, format) = (time_of(time, "TO_STRING")?, text_of(format, "TO_STRING")?);
            formatted(time, format).map(Value::Text)
        }
        (Function::Extract(part), [time]) => Ok(Value::Integer(extract(part, time_of(time, "EXTRACT")?))),
        (Function::DateAdd(part), [amount, time]) => {
            let Some(Value::Integer(amount)) = amount.number() else {
                return Err(argument("DATE_ADD"));
            };
            let added = date_add(part, amount, time_of(time, "DATE_ADD")?);
            added.map(Value::Timestamp).ok_or_else(|| argument("DATE_ADD"))
        }
        (Function::DateDiff(part), [from, to]) => {
            let (from, to) = (time_of(from, "DATE_DIFF")?, time_of(to, "DATE_DIFF")?);
            Ok(Value::Integer(date_diff(part, from, to)))
        }
        (Function::Size, [Value::Json(json)]) => {
            let size = json
                .as_array()
                .map(Vec::len)
                .or_else(|| json.as_object().map(serde_json::Map::len));
            size.map(|size| Value::Integer(size as i64))
                .ok_or_else(|| argument("SIZE"))
        }
        (Function::Size, _) => Err(argument("SIZE")),
        _ => Err(refused(
            "EvaluatorInvalidArguments",
            "Incorrect number of arguments in a function call.",
        )),
    }
}

fn text_of<'v>(value: &'v Value, function: &str) -> Result<&'v str> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(argument(function)),
    }
}

fn time_of(value: &Value, function: &str) -> Result<OffsetDateTime> {
    match value {
        Value::Timestamp(time) => Ok(*time),
        Value::Text(text) => timestamp(text).ok_or_else(|| argument(function)),
        _ => Err(argument(function)),
    }
}

/// Characters count from one; a start before the text takes its part of the length.
fn substring(text: &Value, from: &Value, length: Option<&Value>) -> Result<Value> {
    let text = text_of(text, "SUBSTRING")?;
    let integer = |value: &Value| match value.number() {
        Some(Value::Integer(number)) => Ok(number),
        _ => Err(argument("SUBSTRING")),
    };
    let from = integer(from)?;
    let end = match length {
        None => i64::MAX,
        Some(length) => {
            let length = integer(length)?;
            if length < 0 {
                return Err(argument("SUBSTRING"));
            }
            from.saturating_add(length)
        }
    };
    let skip = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(from.max(1))).unwrap_or(0);
    Ok(Value::Text(text.chars().skip(skip).take(take).collect()))
}

fn trim(set: &Value, text: &Value, leading: bool, trailing: bool) -> Result<Value> {
    let (set, mut text) = (text_of(set, "TRIM")?, text_of(text, "TRIM")?);
    let in_set = |c: char| set.contains(c);
    if leading {
        text = text.trim_start_matches(in_set);
    }
    if trailing {
        text = text.trim_end_matches(in_set);
    }
    Ok(Value::Text(text.to_owned()))
}

/// Whether text has the form of a pattern: `%` any characters, `_` one.
pub(super) fn like(text: &Value, pattern: &Value, escape: Option<&Value>) -> Result<Option<bool>> {
    if text.is_absent() || pattern.is_absent() {
        return Ok(None);
    }
    let (text, pattern) = (text_of(text, "LIKE")?, text_of(pattern, "LIKE")?);
    let escape = match escape {
        None => None,
        Some(Value::Text(one)) if one.chars().count() == 1 => one.chars().next(),
        Some(_) => {
            return Err(refused(
                "LikeInvalidInputs",
                "Invalid argument given to the LIKE clause in the SQL expression.",
            ));
        }
    };
    #[derive(PartialEq)]
    enum Piece {
        Any,
        One,
        Exactly(char),
    }
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(if Some(c) == escape {
            match chars.next() {
                Some(next) => Piece::Exactly(next),
                None => {
                    let message = "Invalid argument given to the LIKE clause in the SQL expression.";
                    return Err(refused("LikeInvalidInputs", message));
                }
            }
        } else if c == '%' {
            Piece::Any
        } else if c == '_' {
            Piece::One
        } else {
            Piece::Exactly(c)
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Only the last `%` ever has to give way, so the work is bounded by the product of the lengths.
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let fits = match pieces.get(p) {
            Some(Piece::One) => true,
            Some(Piece::Exactly(c)) => *c == text[t],
            Some(Piece::Any) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None => false,
        };
        if fits {
            (t, p) = (t + 1, p + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (t, p) = (from + 1, at + 1);
        } else {
            return Ok(Some(false));
        }
    }
    Ok(Some(pieces[p..].iter().all(|piece| *piece == Piece::Any)))
}

fn extract(part: Part, time: OffsetDateTime) -> i64 {
    match part {
        Part::Year => i64::from(time.year()),
        Part::Month => i64::from(u8::from(time.month())),
        Part::Day => i64::from(time.day()),
        Part::Hour => i64::from(time.hour()),
        Part::Minute => i64::from(time.minute()),
        Part::Second => i64::from(time.second()),
    }
}

fn date_add(part: Part, amount: i64, time: OffsetDateTime) -> Option<OffsetDateTime> {
    let seconds = match part {
        Part::Year => return add_months(time, amount.checked_mul(12)?),
        Part::Month => return add_months(time, amount),
        Part::Day => amount.checked_mul(86_400)?,
        Part::Hour => amount.checked_mul(3600)?,
        Part::Minute => amount.checked_mul(60)?,
        Part::Second => amount,
    };
    time.checked_add(Duration::seconds(seconds))
}

/// The last day of a month stands for those that it does not have.
fn add_months(time: OffsetDateTime, months: i64) -> Option<OffsetDateTime> {
    let month = i64::from(time.year()) * 12 + i64::from(u8::from(time.month())) - 1;
    let month = month.checked_add(months)?;
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let month = time::Month::try_from(u8::try_from(month.rem_euclid(12)).ok()? + 1).ok()?;
    let day = time.day().min(month.length(year));
    Some(time.replace_date(time::Date::from_calendar_date(year, month, day).ok()?))
}

fn date_diff(part: Part, from: OffsetDateTime, to: OffsetDateTime) -> i64 {
    let months = |time: OffsetDateTime| i64::from(time.year()) * 12 + i64::from(u8::from(time.month()));
    let seconds = (to - from).whole_seconds();
    match part {
        Part::Year => i64::from(to.year()) - i64::from(from.year()),
        Part::Month => months(to) - months(from),
        Part::Day => seconds / 86_400,
        Part::Hour => seconds / 3600,
        Part::Minute => seconds / 60,
        Part::Second => seconds,
    }
}

/// A time by a pattern of `y M d a h H m s S n x X` letters.
fn formatted(time: OffsetDateTime, format: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let count = rest.chars().take_while(|c| *c == letter).count();
        // Every letter of a pattern is one byte; others advance by their own length below.
        let length = count * letter.len_utf8();
        let padded = |number: i64| format!("{number:0count$}");
        let hour12 = i64::from((time.hour() + 11) % 12 + 1);
        match letter {
            'y' if count == 2 => out += &format!("{:02}", time.year().rem_euclid(100)),
            'y' => out += &format!("{:0width$}", time.year(), width = count.max(1)),
            'M' if count == 3 => out += &time.month().to_string()[..3],
            'M' if count == 4 => out += &time.month().to_string(),
            'M' if count == 5 => out += &time.month().to_string()[..1],
            'M' => out += &padded(extract(Part::Month, time)),
            'd' => out += &padded(extract(Part::Day, time)),
            'a' => out += if time.hour() < 12 { "AM" } else { "PM" },
            'h' => out += &padded(hour12),
            'H' => out += &padded(extract(Part::Hour, time)),
            'm' => out += &padded(extract(Part::Minute, time)),
            's' => out += &padded(extract(Part::Second, time)),
            'S' => {
                let nanos = format!("{:09}", time.nanosecond());
                out += &nanos[..count.min(9)];
            }
            'n' => out += &time.nanosecond().to_string(),
            'x' | 'X' => {
                let offset = time.offset();
                let (hours, minutes, _) = offset.as_hms();
                let sign = if offset.is_negative() { '-' } else { '+' };
                let (hours, minutes) = (hours.unsigned_abs(), minutes.unsigned_abs());
                if letter == 'X' && offset.is_utc() {
                    out.push('Z');
                } else if count == 1 {
                    out += &format!("{sign}{hours:02}");
                } else if count == 2 || count == 4 {
                    out += &format!("{sign}{hours:02}{minutes:02}");
                } else {
                    out += &format!("{sign}{hours:02}:{minutes:02}");
                }
            }
            letter if letter.is_ascii_alphabetic() && letter != 'T' => {
                let message = "The pattern of TO_STRING has a letter that means nothing.";
                return Err(refused("EvaluatorInvalidTimestampFormatPattern", message));
            }
            _ => out += &rest[..length],
        }
        rest = &rest[length..];
    }
    Ok(out)
}
