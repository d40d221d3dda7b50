//! Rows as the Data API answers them.

use super::too_large;
use crate::data_shapes::{ArrayValue, ColumnMetadata, Field, ResultSetOptions};
use crate::mysql::client as mysql;
use crate::postgres::client as postgres;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use danbi_core::{ServiceError, hex};
use serde_json::{Map, Value, json};

/// Bytes of the rows of one answer, as AWS has it.
const MAX_ROWS: usize = 1 << 20;

/// What a value is to the Data API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Long,
    Double,
    Decimal,
    Text,
    /// Bytes, as they are or in PostgreSQL's hexadecimal form.
    Bytes,
    Hex,
    /// A list of such values, in braces.
    Array(&'static Type),
}

/// A result of either server.
pub(super) struct Rows {
    pub(super) types: Vec<Type>,
    pub(super) columns: Vec<ColumnMetadata>,
    pub(super) rows: Vec<Vec<Option<Bytes>>>,
}

/// The types of JDBC that columns are said to have.
mod jdbc {
    pub(super) const BIT: i32 = -7;
    pub(super) const BIGINT: i32 = -5;
    pub(super) const VARBINARY: i32 = -3;
    pub(super) const NUMERIC: i32 = 2;
    pub(super) const INTEGER: i32 = 4;
    pub(super) const SMALLINT: i32 = 5;
    pub(super) const REAL: i32 = 7;
    pub(super) const DOUBLE: i32 = 8;
    pub(super) const VARCHAR: i32 = 12;
    pub(super) const DATE: i32 = 91;
    pub(super) const TIME: i32 = 92;
    pub(super) const TIMESTAMP: i32 = 93;
    pub(super) const OTHER: i32 = 1111;
    pub(super) const ARRAY: i32 = 2003;
}

/// The type of a column by PostgreSQL's number: the Data API's, JDBC's and its name.
fn postgres_type(kind: u32) -> (Type, i32, &'static str) {
    match kind {
        16 => (Type::Boolean, jdbc::BIT, "bool"),
        17 => (Type::Hex, jdbc::VARBINARY, "bytea"),
        20 => (Type::Long, jdbc::BIGINT, "int8"),
        21 => (Type::Long, jdbc::SMALLINT, "int2"),
        23 => (Type::Long, jdbc::INTEGER, "int4"),
        26 => (Type::Long, jdbc::BIGINT, "oid"),
        25 => (Type::Text, jdbc::VARCHAR, "text"),
        19 => (Type::Text, jdbc::VARCHAR, "name"),
        1042 => (Type::Text, jdbc::VARCHAR, "bpchar"),
        1043 => (Type::Text, jdbc::VARCHAR, "varchar"),
        700 => (Type::Double, jdbc::REAL, "float4"),
        701 => (Type::Double, jdbc::DOUBLE, "float8"),
        1700 => (Type::Decimal, jdbc::NUMERIC, "numeric"),
        1082 => (Type::Text, jdbc::DATE, "date"),
        1083 => (Type::Text, jdbc::TIME, "time"),
        1114 => (Type::Text, jdbc::TIMESTAMP, "timestamp"),
        1184 => (Type::Text, jdbc::TIMESTAMP, "timestamptz"),
        114 => (Type::Text, jdbc::OTHER, "json"),
        3802 => (Type::Text, jdbc::OTHER, "jsonb"),
        2950 => (Type::Text, jdbc::OTHER, "uuid"),
        1000 => (Type::Array(&Type::Boolean), jdbc::ARRAY, "_bool"),
        1005 => (Type::Array(&Type::Long), jdbc::ARRAY, "_int2"),
        1007 => (Type::Array(&Type::Long), jdbc::ARRAY, "_int4"),
        1016 => (Type::Array(&Type::Long), jdbc::ARRAY, "_int8"),
        1021 => (Type::Array(&Type::Double), jdbc::ARRAY, "_float4"),
        1022 => (Type::Array(&Type::Double), jdbc::ARRAY, "_float8"),
        1009 => (Type::Array(&Type::Text), jdbc::ARRAY, "_text"),
        1015 => (Type::Array(&Type::Text), jdbc::ARRAY, "_varchar"),
        2951 => (Type::Array(&Type::Text), jdbc::ARRAY, "_uuid"),
        _ => (Type::Text, jdbc::OTHER, "unknown"),
    }
}

/// The same by MariaDB's number.
fn mysql_type(column: &mysql::Column) -> (Type, i32, &'static str) {
    const BINARY: u16 = 63;
    let is_binary = column.charset == BINARY;
    match column.kind {
        1 if column.length == 1 => (Type::Boolean, jdbc::BIT, "TINYINT"),
        1 => (Type::Long, -6, "TINYINT"),
        2 => (Type::Long, jdbc::SMALLINT, "SMALLINT"),
        3 | 9 => (Type::Long, jdbc::INTEGER, "INT"),
        8 => (Type::Long, jdbc::BIGINT, "BIGINT"),
        13 => (Type::Long, jdbc::SMALLINT, "YEAR"),
        4 => (Type::Double, jdbc::REAL, "FLOAT"),
        5 => (Type::Double, jdbc::DOUBLE, "DOUBLE"),
        0 | 246 => (Type::Decimal, 3, "DECIMAL"),
        16 if column.length == 1 => (Type::Boolean, jdbc::BIT, "BIT"),
        16 => (Type::Bytes, jdbc::VARBINARY, "BIT"),
        10 => (Type::Text, jdbc::DATE, "DATE"),
        11 => (Type::Text, jdbc::TIME, "TIME"),
        7 => (Type::Text, jdbc::TIMESTAMP, "TIMESTAMP"),
        12 => (Type::Text, jdbc::TIMESTAMP, "DATETIME"),
        249..=252 if is_binary => (Type::Bytes, -4, "BLOB"),
        249..=252 => (Type::Text, -1, "TEXT"),
        253 | 254 if is_binary => (Type::Bytes, jdbc::VARBINARY, "VARBINARY"),
        _ => (Type::Text, jdbc::VARCHAR, "VARCHAR"),
    }
}

impl Rows {
    pub(super) fn of_postgres(answer: postgres::Answer) -> Self {
        let mut types = Vec::new();
        let mut columns = Vec::new();
        for column in answer.columns {
            let (kind, jdbc, name) = postgres_type(column.kind);
            types.push(kind);
            columns.push(ColumnMetadata {
                name: Some(column.name.clone()),
                label: Some(column.name),
                r#type: Some(jdbc),
                type_name: Some(name.to_owned()),
                schema_name: Some(String::new()),
                table_name: Some(String::new()),
                is_auto_increment: Some(false),
                is_signed: Some(matches!(kind, Type::Long | Type::Double | Type::Decimal)),
                is_currency: Some(false),
                is_case_sensitive: Some(kind == Type::Text),
                // Not known of a result.
                nullable: Some(2),
                precision: Some(0),
                scale: Some(0),
                array_base_column_type: Some(0),
            });
        }
        Self {
            types,
            columns,
            rows: answer.rows,
        }
    }

    pub(super) fn of_mysql(answer: mysql::Answer) -> Self {
        const NOT_NULL: u16 = 1;
        const UNSIGNED: u16 = 32;
        const AUTO_INCREMENT: u16 = 512;
        let mut types = Vec::new();
        let mut columns = Vec::new();
        for column in answer.columns {
            let (kind, jdbc, name) = mysql_type(&column);
            types.push(kind);
            columns.push(ColumnMetadata {
                name: Some(column.name),
                label: Some(column.label),
                r#type: Some(jdbc),
                type_name: Some(name.to_owned()),
                schema_name: Some(column.schema),
                table_name: Some(column.table),
                is_auto_increment: Some(column.flags & AUTO_INCREMENT != 0),
                is_signed: Some(
                    matches!(kind, Type::Long | Type::Double | Type::Decimal) && column.flags & UNSIGNED == 0,
                ),
                is_currency: Some(false),
                is_case_sensitive: Some(false),
                nullable: Some(i32::from(column.flags & NOT_NULL == 0)),
                precision: i32::try_from(column.length).ok(),
                scale: Some(i32::from(column.decimals)),
                array_base_column_type: Some(0),
            });
        }
        Self {
            types,
            columns,
            rows: answer.rows,
        }
    }

    fn check_size(&self) -> Result<(), ServiceError> {
        let bytes: usize = self.rows.iter().flatten().flatten().map(Bytes::len).sum();
        match bytes > MAX_ROWS {
            true => Err(too_large()),
            false => Ok(()),
        }
    }

    /// Rows of fields.
    pub(super) fn fields(&self, options: Option<&ResultSetOptions>) -> Result<Vec<Vec<Field>>, ServiceError> {
        self.check_size()?;
        let is = |wanted: Option<&String>, name: &str| wanted.is_some_and(|wanted| wanted == name);
        let numbers = is(
            options.and_then(|options| options.decimal_return_type.as_ref()),
            "DOUBLE_OR_LONG",
        );
        let texts = is(options.and_then(|options| options.long_return_type.as_ref()), "STRING");
        let one = |kind: Type, value: &Option<Bytes>| match kind {
            Type::Decimal if numbers => field(decimal_as(value), value),
            Type::Long if texts => field(Type::Text, value),
            kind => field(kind, value),
        };
        let row = |row: &Vec<Option<Bytes>>| {
            self.types
                .iter()
                .zip(row)
                .map(|(kind, value)| one(*kind, value))
                .collect()
        };
        Ok(self.rows.iter().map(row).collect())
    }

    /// Rows as a JSON text.
    pub(super) fn json(&self) -> Result<String, ServiceError> {
        self.check_size()?;
        let labels: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.label.as_deref().unwrap_or_default())
            .collect();
        for (at, label) in labels.iter().enumerate() {
            if labels[..at].contains(label) {
                return Err(ServiceError::client(
                    "UnsupportedResultException",
                    400,
                    format!("The result has more than one column {label}: give each an alias of its own."),
                ));
            }
        }
        let row = |row: &Vec<Option<Bytes>>| {
            let values = self.types.iter().zip(row).map(|(kind, value)| json_value(*kind, value));
            let named = labels.iter().map(|label| (*label).to_owned()).zip(values);
            Value::Object(named.collect::<Map<_, _>>())
        };
        Ok(Value::Array(self.rows.iter().map(row).collect()).to_string())
    }
}

/// What a decimal number is when it must not be text.
fn decimal_as(value: &Option<Bytes>) -> Type {
    let text = value.as_ref().map(|value| text(value)).unwrap_or_default();
    match text.parse::<i64>().is_ok() {
        true => Type::Long,
        false => Type::Double,
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn truth(value: &[u8]) -> bool {
    matches!(value, b"t" | b"1" | b"\x01" | b"true")
}

fn unhex(value: &[u8]) -> Vec<u8> {
    let digits = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.strip_prefix("\\x"));
    digits.and_then(hex::decode).unwrap_or_default()
}

fn field(kind: Type, value: &Option<Bytes>) -> Field {
    let Some(value) = value else {
        return Field {
            is_null: Some(true),
            ..Field::default()
        };
    };
    let mut field = Field::default();
    match kind {
        Type::Boolean => field.boolean_value = Some(truth(value)),
        Type::Long => match text(value).parse() {
            Ok(number) => field.long_value = Some(number),
            // Unsigned, and too large for the shape.
            Err(_) => field.string_value = Some(text(value)),
        },
        Type::Double => match text(value).parse() {
            Ok(number) => field.double_value = Some(number),
            Err(_) => field.string_value = Some(text(value)),
        },
        Type::Decimal | Type::Text => field.string_value = Some(text(value)),
        Type::Bytes => field.blob_value = Some(danbi_wire::Blob(value.clone())),
        Type::Hex => field.blob_value = Some(danbi_wire::Blob(unhex(value).into())),
        Type::Array(kind) => field.array_value = Some(array(*kind, value)),
    }
    field
}

/// PostgreSQL's text form of an array, of one dimension or several.
fn array(kind: Type, value: &[u8]) -> ArrayValue {
    array_at(kind, value, &mut 0, 0)
}

/// Arrays within arrays.
const MAX_DIMENSIONS: usize = 8;

fn array_at(kind: Type, value: &[u8], at: &mut usize, depth: usize) -> ArrayValue {
    let mut arrays = Vec::new();
    let mut items: Vec<Option<Bytes>> = Vec::new();
    // Bounds may stand before the first brace.
    while value.get(*at).is_some_and(|byte| *byte != b'{') {
        *at += 1;
    }
    *at += 1;
    while let Some(byte) = value.get(*at) {
        match byte {
            b'}' => {
                *at += 1;
                break;
            }
            b',' => *at += 1,
            b'{' if depth < MAX_DIMENSIONS => arrays.push(Some(array_at(kind, value, at, depth + 1))),
            b'"' => {
                let mut item = Vec::new();
                *at += 1;
                while let Some(byte) = value.get(*at).filter(|byte| **byte != b'"') {
                    *at += usize::from(*byte == b'\\');
                    item.extend(value.get(*at));
                    *at += 1;
                }
                *at += 1;
                items.push(Some(item.into()));
            }
            _ => {
                let rest = &value[*at..];
                let length = rest.iter().position(|byte| b",}".contains(byte)).unwrap_or(rest.len());
                let item = &rest[..length];
                items.push((item != b"NULL").then(|| Bytes::copy_from_slice(item)));
                *at += length;
            }
        }
    }
    if !arrays.is_empty() {
        return ArrayValue {
            array_values: Some(arrays),
            ..ArrayValue::default()
        };
    }
    let parsed = |item: &Option<Bytes>| item.as_ref().map(|item| text(item));
    match kind {
        Type::Boolean => ArrayValue {
            boolean_values: Some(items.iter().map(|item| item.as_ref().map(|item| truth(item))).collect()),
            ..ArrayValue::default()
        },
        Type::Long => ArrayValue {
            long_values: Some(items.iter().map(|item| parsed(item)?.parse().ok()).collect()),
            ..ArrayValue::default()
        },
        Type::Double => ArrayValue {
            double_values: Some(items.iter().map(|item| parsed(item)?.parse().ok()).collect()),
            ..ArrayValue::default()
        },
        _ => ArrayValue {
            string_values: Some(items.iter().map(parsed).collect()),
            ..ArrayValue::default()
        },
    }
}

fn json_value(kind: Type, value: &Option<Bytes>) -> Value {
    let Some(value) = value else { return Value::Null };
    let number = |text: String| match serde_json::from_str::<serde_json::Number>(&text) {
        Ok(number) => Value::Number(number),
        Err(_) => Value::String(text),
    };
    match kind {
        Type::Boolean => truth(value).into(),
        Type::Long | Type::Double | Type::Decimal => number(text(value)),
        Type::Text => text(value).into(),
        Type::Bytes => BASE64.encode(value).into(),
        Type::Hex => BASE64.encode(unhex(value)).into(),
        Type::Array(kind) => json_array(&array(*kind, value)),
    }
}

fn json_array(array: &ArrayValue) -> Value {
    if let Some(inner) = &array.array_values {
        return inner
            .iter()
            .map(|one| one.as_ref().map_or(Value::Null, json_array))
            .collect();
    }
    let lists = [
        array.boolean_values.as_ref().map(|list| json!(list)),
        array.long_values.as_ref().map(|list| json!(list)),
        array.double_values.as_ref().map(|list| json!(list)),
        array.string_values.as_ref().map(|list| json!(list)),
    ];
    lists.into_iter().flatten().next().unwrap_or_else(|| json!([]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read() {
        let texts = array(Type::Text, br#"{a,"b \"c\", d",NULL,""}"#).string_values.unwrap();
        let expected = [Some("a"), Some("b \"c\", d"), None, Some("")];
        assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
        let nested = array(Type::Long, b"{{1,2},{3,NULL}}").array_values.unwrap();
        assert_eq!(nested[1].as_ref().unwrap().long_values, Some(vec![Some(3), None]));
        assert_eq!(
            array(Type::Long, b"[0:1]={1,2}").long_values,
            Some(vec![Some(1), Some(2)])
        );
        for odd in [&b""[..], b"{", b"{\"", b"{\"\\", b"{{{{{{{{{{{{", b"}", b"{,"] {
            array(Type::Text, odd);
        }
    }

    #[test]
    fn values_have_their_types() {
        let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        assert_eq!(field(Type::Long, &bytes("7")).long_value, Some(7));
        assert_eq!(field(Type::Boolean, &bytes("t")).boolean_value, Some(true));
        assert_eq!(field(Type::Text, &None).is_null, Some(true));
        assert_eq!(
            field(Type::Hex, &bytes("\\x0aff")).blob_value.unwrap().0,
            &b"\x0a\xff"[..]
        );
        assert_eq!(json_value(Type::Decimal, &bytes("1.50")).to_string(), "1.5");
        assert_eq!(json_value(Type::Double, &bytes("NaN")), json!("NaN"));
    }
}
