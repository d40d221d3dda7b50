//! awsJson without the value tree: the body is read into the typed input by serde alone, and the output written so.
//!
//! For services whose handlers judge every member themselves (DynamoDB): nothing is validated over the model here.

use crate::Operation;
use crate::handler::does_not_fit;
use bytes::Bytes;
use danbi_core::ServiceError;

/// What the service's own types say of JSON that they refuse, from serde's message; `None` when it is not theirs.
pub(crate) type Refusal = fn(&str) -> Option<ServiceError>;

/// Reads the input of an operation. serde_json bounds the nesting of what it reads (128 levels), and passes over what is
/// no member without recursion.
///
/// # Errors
/// `SerializationException`, in the words of AWS's own reader as far as they are known.
pub(crate) fn decode<O: Operation>(body: &[u8], refusal: Refusal) -> Result<O::Input, ServiceError> {
    // A structure is an object; serde would take an array for one as well.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed(""));
    }
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match error.classify() {
            serde_json::error::Category::Data => refusal(&text).unwrap_or_else(|| malformed(&in_their_words(&text))),
            _ => malformed(""),
        }
    })
}

/// Writes the output of an operation.
pub(crate) fn encode<O: Operation>(output: &O::Output) -> Result<Bytes, ServiceError> {
    match serde_json::to_vec(output) {
        Ok(body) => Ok(body.into()),
        Err(error) => Err(does_not_fit(O::NAME, &error)),
    }
}

fn malformed(message: &str) -> ServiceError {
    ServiceError::client("SerializationException", 400, message)
}

/// `invalid type: integer `7`, expected a string at line 1 column 15` → `NUMBER_VALUE cannot be converted to String`.
fn in_their_words(text: &str) -> String {
    let text = text.rfind(" at line ").map_or(text, |end| &text[..end]);
    let Some((found, expected)) = text
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return text.to_owned();
    };
    let wanted = match expected {
        "a string" | "a borrowed string" => "String",
        "a boolean" => "Boolean",
        "i32" | "u32" => "Integer",
        "i64" | "u64" => "Long",
        "f64" | "f32" => "Double",
        // A list, a map or a structure.
        _ => return "Unexpected field type".into(),
    };
    let token = match found.split(' ').next() {
        Some("sequence") => return "Start of list found where not expected".into(),
        Some("map") => return "Start of structure or map found where not expected.".into(),
        Some("boolean") if found.contains("true") => "TRUE_VALUE",
        Some("boolean") => "FALSE_VALUE",
        Some("integer") => "NUMBER_VALUE",
        Some("floating") => "DECIMAL_VALUE",
        Some("string") => "STRING_VALUE",
        _ => return text.to_owned(),
    };
    format!("{token} cannot be converted to {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Deserialize, Serialize)]
    #[serde(default)]
    struct Shape {
        name: Option<String>,
        count: Option<i32>,
        list: Option<Vec<String>>,
    }

    struct Any;
    impl Operation for Any {
        const NAME: &'static str = "Any";
        type Input = Shape;
        type Output = Shape;
    }

    #[test]
    fn what_does_not_fit_is_said_in_aws_words() {
        let message = |text: &str| {
            let error = decode::<Any>(text.as_bytes(), |_| None).unwrap_err();
            assert_eq!((error.code, error.status), ("SerializationException", 400), "{text}");
            error.message
        };
        for (text, expected) in [
            (r#"{"name":7}"#, "NUMBER_VALUE cannot be converted to String"),
            (r#"{"name":true}"#, "TRUE_VALUE cannot be converted to String"),
            (r#"{"name":[]}"#, "Start of list found where not expected"),
            (r#"{"name":{}}"#, "Start of structure or map found where not expected."),
            (
                r#"{"count":"a, expected b"}"#,
                "STRING_VALUE cannot be converted to Integer",
            ),
            (r#"{"list":"a"}"#, "Unexpected field type"),
            ("", ""),
            ("[]", ""),
            ("7", ""),
            ("{", ""),
            (r#"{"name":"a"}}"#, ""),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
        // What is not a member is passed over without recursion.
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode::<Any>(deep.as_bytes(), |_| None).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
        assert_eq!(
            decode::<Any>(br#" {"name":"n","other":[1]}"#, |_| None)
                .unwrap()
                .name
                .as_deref(),
            Some("n")
        );
    }
}
