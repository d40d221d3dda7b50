//! Named parameters, `:name`, in a statement.

use super::bad_request;
use crate::data_shapes::{Field, SqlParameter};
use danbi_core::{ServiceError, hex};
use std::collections::BTreeMap;

/// PostgreSQL's type of a value that it finds out by itself.
const UNKNOWN: u32 = 0;

/// A statement in pieces: text, and between two pieces a parameter's name.
#[derive(Debug, PartialEq, Eq)]
struct Template<'s> {
    pieces: Vec<&'s str>,
    names: Vec<&'s str>,
}

/// Where names begin and end; what is quoted or a comment has none.
fn template(sql: &str) -> Template<'_> {
    let bytes = sql.as_bytes();
    let mut template = Template {
        pieces: Vec::new(),
        names: Vec::new(),
    };
    let (mut at, mut begin) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        at += match (byte, next) {
            (b'\'' | b'"' | b'`', _) => quoted(&bytes[at..]),
            (b'-', Some(b'-')) => bytes[at..]
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(bytes.len() - at),
            (b'/', Some(b'*')) => {
                let end = bytes[at + 2..].windows(2).position(|two| two == b"*/");
                end.map_or(bytes.len() - at, |end| end + 4)
            }
            (b'$', _) => dollar_quoted(&bytes[at..]),
            // A cast, an assignment.
            (b':', Some(b':' | b'=')) => 2,
            (b':', Some(first)) if first.is_ascii_alphabetic() || first == b'_' => {
                let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                let length = bytes[at + 1..].iter().take_while(is_name).count();
                template.pieces.push(&sql[begin..at]);
                template.names.push(&sql[at + 1..at + 1 + length]);
                begin = at + 1 + length;
                1 + length
            }
            _ => 1,
        };
    }
    template.pieces.push(&sql[begin..]);
    template
}

fn quoted(text: &[u8]) -> usize {
    let quote = text[0];
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        at += match *byte {
            // Before a quote it is one in MySQL, and in PostgreSQL's escaped text.
            b'\\' if text.get(at + 1) == Some(&quote) && text.get(at + 2).is_some() => 2,
            byte if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

fn dollar_quoted(text: &[u8]) -> usize {
    let tag = 1 + text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    if text.get(tag) != Some(&b'$') || text[1].is_ascii_digit() {
        return 1;
    }
    let (tag, rest) = text.split_at(tag + 1);
    let end = rest.windows(tag.len()).position(|window| window == tag);
    end.map_or(text.len(), |end| tag.len() + end + tag.len())
}

/// Parameters by their names.
fn by_name(parameters: &[SqlParameter]) -> Result<BTreeMap<&str, &SqlParameter>, ServiceError> {
    let mut found = BTreeMap::new();
    for parameter in parameters {
        let name = parameter.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(bad_request("A parameter has no name."));
        }
        if found.insert(name, parameter).is_some() {
            return Err(bad_request(format!("Duplicate parameter: {name}")));
        }
    }
    Ok(found)
}

fn named<'p>(parameters: &BTreeMap<&str, &'p SqlParameter>, name: &str) -> Result<&'p SqlParameter, ServiceError> {
    let found = parameters.get(name).copied();
    found.ok_or_else(|| bad_request(format!("Cannot find parameter: {name}")))
}

/// The statement for MariaDB, with its parameters as literals that no content can leave.
pub(super) fn for_mysql(sql: &str, parameters: &[SqlParameter]) -> Result<String, ServiceError> {
    let parameters = by_name(parameters)?;
    let template = template(sql);
    let mut text = String::with_capacity(sql.len());
    for (piece, name) in template.pieces.iter().zip(&template.names) {
        text.push_str(piece);
        text.push_str(&mysql_literal(named(&parameters, name)?)?);
    }
    text.push_str(template.pieces.last().unwrap_or(&""));
    Ok(text)
}

fn mysql_literal(parameter: &SqlParameter) -> Result<String, ServiceError> {
    let field = value(parameter)?;
    Ok(match field {
        _ if field.is_null == Some(true) => "NULL".to_owned(),
        Field {
            boolean_value: Some(value),
            ..
        } => value.to_string().to_uppercase(),
        Field {
            long_value: Some(value),
            ..
        } => value.to_string(),
        Field {
            double_value: Some(value),
            ..
        } if value.is_finite() => format!("{value:e}"),
        Field {
            string_value: Some(text),
            ..
        } => match parameter.type_hint.as_deref() {
            Some("DECIMAL") => decimal(text)?,
            _ => format!("_utf8mb4 X'{}'", hex::encode(text)),
        },
        Field {
            blob_value: Some(blob), ..
        } => format!("X'{}'", hex::encode(&blob.0)),
        _ => return Err(unsupported(parameter)),
    })
}

/// Text that is a number and nothing else.
fn decimal(text: &str) -> Result<String, ServiceError> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let is_number = plain && text.parse::<f64>().is_ok();
    match is_number {
        true => Ok(text.to_owned()),
        false => Err(bad_request(format!("The value is no DECIMAL: {text}"))),
    }
}

/// A statement for PostgreSQL, and its parameters in their order, each with its type.
pub(super) type Bound = (String, Vec<(u32, Option<String>)>);

/// The statement for PostgreSQL, with `$1`, `$2`, … for its parameters.
pub(super) fn for_postgres(sql: &str, parameters: &[SqlParameter]) -> Result<Bound, ServiceError> {
    let parameters = by_name(parameters)?;
    let template = template(sql);
    let mut text = String::with_capacity(sql.len());
    let mut order: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    for (piece, name) in template.pieces.iter().zip(&template.names) {
        let at = match order.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                values.push(postgres_value(named(&parameters, name)?)?);
                order.push(name);
                order.len() - 1
            }
        };
        text.push_str(piece);
        text.push_str(&format!("${}", at + 1));
    }
    text.push_str(template.pieces.last().unwrap_or(&""));
    Ok((text, values))
}

fn postgres_value(parameter: &SqlParameter) -> Result<(u32, Option<String>), ServiceError> {
    let field = value(parameter)?;
    let hinted = match parameter.type_hint.as_deref() {
        None => UNKNOWN,
        Some("JSON") => 114,
        Some("DATE") => 1082,
        Some("TIME") => 1083,
        Some("TIMESTAMP") => 1114,
        Some("DECIMAL") => 1700,
        Some("UUID") => 2950,
        Some(other) => return Err(bad_request(format!("Invalid typeHint: {other}"))),
    };
    Ok(match field {
        _ if field.is_null == Some(true) => (hinted, None),
        Field {
            boolean_value: Some(value),
            ..
        } => (16, Some(value.to_string())),
        Field {
            long_value: Some(value),
            ..
        } => (20, Some(value.to_string())),
        Field {
            double_value: Some(value),
            ..
        } => (701, Some(value.to_string())),
        Field {
            string_value: Some(text),
            ..
        } if !text.contains('\0') => (hinted, Some(text.clone())),
        Field {
            blob_value: Some(blob), ..
        } => (17, Some(format!("\\x{}", hex::encode(&blob.0)))),
        _ => return Err(unsupported(parameter)),
    })
}

fn value(parameter: &SqlParameter) -> Result<&Field, ServiceError> {
    let name = parameter.name.as_deref().unwrap_or_default();
    parameter
        .value
        .as_ref()
        .ok_or_else(|| bad_request(format!("The parameter {name} has no value.")))
}

fn unsupported(parameter: &SqlParameter) -> ServiceError {
    let name = parameter.name.as_deref().unwrap_or_default();
    match parameter
        .value
        .as_ref()
        .is_some_and(|value| value.array_value.is_some())
    {
        true => bad_request("Array parameters are not supported."),
        false => bad_request(format!("The value of the parameter {name} is not supported.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: &str) -> SqlParameter {
        SqlParameter {
            name: Some(name.to_owned()),
            value: Some(Field {
                string_value: Some(value.to_owned()),
                ..Field::default()
            }),
            type_hint: None,
        }
    }

    fn long(name: &str, value: i64) -> SqlParameter {
        SqlParameter {
            name: Some(name.to_owned()),
            value: Some(Field {
                long_value: Some(value),
                ..Field::default()
            }),
            type_hint: None,
        }
    }

    #[test]
    fn names_are_found_where_they_are_names() {
        let sql = "SELECT ':no', \":no\", x::int, :yes -- :no\n /* :no */ $$ :no $$ WHERE a=:also_1 AND b=:yes";
        assert_eq!(template(sql).names, ["yes", "also_1", "yes"]);
        let (bound, values) = for_postgres(sql, &[text("yes", "a"), long("also_1", 7)]).unwrap();
        assert!(bound.contains("$1 -- :no") && bound.ends_with("a=$2 AND b=$1"));
        assert_eq!(values, [(0, Some("a".to_owned())), (20, Some("7".to_owned()))]);
        assert!(for_postgres(sql, &[text("yes", "a")]).is_err());
        for odd in ["'", ":", "::", "$", "$a$", "/*", "--", "'\\'", "\"", "é:é"] {
            template(odd);
        }
    }

    #[test]
    fn literals_cannot_be_left() {
        let sql = for_mysql("SELECT :a, :b", &[text("a", "'; DROP TABLE t; --"), long("b", -1)]).unwrap();
        assert_eq!(sql, "SELECT _utf8mb4 X'273b2044524f50205441424c4520743b202d2d', -1");
        let mut number = text("a", "1; DROP TABLE t");
        number.type_hint = Some("DECIMAL".to_owned());
        assert!(for_mysql("SELECT :a", &[number]).is_err());
    }
}
