//! Between the tree and plain JSON with the members' names of the model: the form in which services inside the platform
//! ask each other ([`danbi_core::ApiCall`]), whatever protocol the service speaks to the outside.

use super::Value;
use crate::model::{Kind, Member, Model};
use crate::protocol::{MAX_DEPTH, millis_of_text, seconds_to_millis};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};

/// Reads `json` as the shape of `member`. Text is taken for a number, a boolean or a time where the model wants one, and
/// anything else becomes text where it wants that (a policy document).
///
/// # Errors
/// Which member has the wrong type, or is none of the shape.
pub(crate) fn from_plain(model: &Model, member: &Member, json: Json) -> Result<Value, String> {
    read(model, member, json, 0)
}

fn read(model: &Model, member: &Member, json: Json, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("The input is nested deeper than {MAX_DEPTH} levels."));
    }
    if json.is_null() {
        return Ok(Value::Null);
    }
    let expected = |what: &str| format!("{}: expected {what}", said(member));
    Ok(match &model.shape(member.shape).kind {
        Kind::Structure(structure) => {
            let Json::Object(entries) = json else {
                return Err(expected("an object"));
            };
            let mut out = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let known = structure.members.iter().find(|member| member.name == name);
                let known = known.ok_or_else(|| format!("{}: there is no member {name}", said(member)))?;
                out.push((name, read(model, known, value, depth + 1)?));
            }
            Value::Map(out)
        }
        Kind::List(item) => {
            let Json::Array(items) = json else {
                return Err(expected("a list"));
            };
            let items = items.into_iter().map(|value| read(model, item, value, depth + 1));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Kind::Map(_, item) => {
            let Json::Object(entries) = json else {
                return Err(expected("an object"));
            };
            let entries = entries
                .into_iter()
                .map(|(key, value)| Ok((key, read(model, item, value, depth + 1)?)));
            Value::Map(entries.collect::<Result<_, String>>()?)
        }
        Kind::String => match json {
            Json::String(text) => Value::String(text),
            Json::Number(number) => Value::String(number.to_string()),
            Json::Bool(truth) => Value::String(truth.to_string()),
            document => Value::String(document.to_string()),
        },
        Kind::Blob => match json {
            Json::String(text) => Value::Blob(STANDARD.decode(text).map_err(|_| expected("base64"))?.into()),
            _ => return Err(expected("base64")),
        },
        Kind::Boolean => match json {
            Json::Bool(truth) => Value::Bool(truth),
            Json::String(text) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
            Json::String(text) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => return Err(expected("true or false")),
        },
        Kind::Integer(low, high) => {
            let whole = match &json {
                Json::Number(number) => number.as_i64().or_else(|| {
                    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
                    // Every whole number below 2^53 is exact in both types.
                    (float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
                }),
                Json::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            let whole = whole.filter(|whole| (low..=high).contains(&whole));
            Value::Integer(whole.ok_or_else(|| expected("a whole number"))?)
        }
        Kind::Float | Kind::Double => {
            let float = match &json {
                Json::Number(number) => number.as_f64(),
                Json::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            Value::Float(float.ok_or_else(|| expected("a number"))?)
        }
        Kind::Timestamp => {
            let millis = match &json {
                Json::Number(number) => number.as_f64().and_then(seconds_to_millis),
                Json::String(text) => millis_of_text(text),
                _ => None,
            };
            Value::Integer(millis.ok_or_else(|| expected("a time"))?)
        }
        Kind::Document => of_document(json),
    })
}

/// How a member is called in messages.
fn said(member: &Member) -> &str {
    match member.name.is_empty() {
        true => &member.shape_name,
        false => &member.name,
    }
}

fn of_document(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_document).collect()),
        Json::Object(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key, of_document(value)))
                .collect(),
        ),
    }
}

/// Writes `value`, of the shape of `member`. Nulls in structures are left out.
pub(crate) fn to_plain(model: &Model, member: &Member, value: &Value) -> Json {
    write(model, Some(member), value)
}

fn write(model: &Model, member: Option<&Member>, value: &Value) -> Json {
    let kind = member.map(|member| &model.shape(member.shape).kind);
    match (value, kind) {
        (Value::Null, _) => Json::Null,
        (Value::Bool(truth), _) => Json::Bool(*truth),
        (Value::Integer(millis), Some(Kind::Timestamp)) if millis % 1000 != 0 => number(*millis as f64 / 1000.0),
        (Value::Integer(millis), Some(Kind::Timestamp)) => Json::from(millis / 1000),
        (Value::Integer(whole), _) => Json::from(*whole),
        (Value::Float(float), _) => number(*float),
        (Value::String(text), _) => Json::String(text.clone()),
        (Value::Blob(bytes), _) => base64(bytes),
        (Value::List(items), _) => {
            let item = match kind {
                Some(Kind::List(item)) => Some(&**item),
                _ => None,
            };
            Json::Array(items.iter().map(|value| write(model, item, value)).collect())
        }
        (Value::Map(entries), Some(Kind::Structure(structure))) => {
            let set = entries.iter().filter(|(_, value)| !value.is_null());
            let written = set.map(|(name, value)| {
                let member = structure.members.iter().find(|member| member.name == *name);
                (name.clone(), write(model, member, value))
            });
            Json::Object(written.collect::<Map<_, _>>())
        }
        (Value::Map(entries), _) => {
            let item = match kind {
                Some(Kind::Map(_, item)) => Some(&**item),
                _ => None,
            };
            let written = entries
                .iter()
                .map(|(key, value)| (key.clone(), write(model, item, value)));
            Json::Object(written.collect::<Map<_, _>>())
        }
    }
}

pub(crate) fn base64(bytes: &Bytes) -> Json {
    Json::String(STANDARD.encode(bytes))
}

/// What is no number in JSON is text, as in awsJson.
fn number(float: f64) -> Json {
    match Number::from_f64(float) {
        Some(number) => Json::Number(number),
        None if float.is_nan() => Json::from("NaN"),
        None if float > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;
    use serde_json::json;

    fn round(service: &crate::LazyModel, operation: &str, json: Json) -> Result<Json, String> {
        let model = service.get();
        let member = model.operation(operation).unwrap().input.as_ref().unwrap();
        Ok(to_plain(model, member, &from_plain(model, member, json)?))
    }

    #[test]
    fn members_have_their_names_of_the_model_whatever_the_protocol() {
        let lambda = json!({
            "FunctionName": "f", "Code": {"ZipFile": "UEsF"}, "Role": "r", "MemorySize": "256", "Publish": "true",
            "Environment": {"Variables": {"N": 7}},
        });
        let read = round(&models::LAMBDA, "CreateFunction", lambda).unwrap();
        assert_eq!(read["MemorySize"], 256);
        assert_eq!(read["Publish"], true);
        assert_eq!(read["Code"]["ZipFile"], "UEsF");
        assert_eq!(read["Environment"]["Variables"]["N"], "7");
        // On the wire this is a header, and the rules are named otherwise.
        let s3 = json!({"Bucket": "b", "LifecycleConfiguration": {"Rules": [
            {"ID": "a", "Status": "Enabled", "Expiration": {"Date": "2030-01-01T00:00:00Z"}}]}});
        let read = round(&models::S3, "PutBucketLifecycleConfiguration", s3).unwrap();
        assert_eq!(
            read["LifecycleConfiguration"]["Rules"][0]["Expiration"]["Date"],
            1_893_456_000
        );
    }

    #[test]
    fn what_does_not_fit_says_where() {
        for (json, expected) in [
            (json!({"Nothing": 1}), "there is no member Nothing"),
            (json!({"MemorySize": "much"}), "MemorySize: expected a whole number"),
            (json!({"MemorySize": 1.5}), "MemorySize: expected a whole number"),
            (json!({"Layers": "l"}), "Layers: expected a list"),
            (json!({"Code": {"ZipFile": "?"}}), "ZipFile: expected base64"),
            (json!([]), "expected an object"),
        ] {
            let error = round(&models::LAMBDA, "CreateFunction", json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn deep_input_is_refused() {
        let mut deep = json!({"S": "x"});
        for _ in 0..100 {
            deep = json!({"M": {"m": deep}});
        }
        let error = round(&models::DYNAMODB, "PutItem", json!({"Item": {"a": deep}})).unwrap_err();
        assert!(error.contains("nested deeper"), "{error}");
    }
}
