//! Dynamic references: `{{resolve:ssm:…}}`, `{{resolve:ssm-secure:…}}`. Here is what they look like and where they may
//! stand; what they stand for is put in by the engine, when a resource is made or changed, and is never kept.
//!
//! Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>.

use super::TemplateError;
use serde_json::Value;
use std::collections::BTreeSet;

const OPEN: &str = "{{resolve:";
const CLOSE: &str = "}}";

/// A reference to a parameter of the Parameter Store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// Whether it is to a SecureString.
    pub secure: bool,
    /// The parameter's name, with its version behind a colon if there is one.
    pub name: String,
}

/// A piece of a text.
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Reference(Reference),
}

/// The pieces of a text.
///
/// # Errors
/// For a reference that cannot be read, or that is to a service which is not built.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(OPEN) {
        let Some(length) = rest[at..].find(CLOSE) else { break };
        pieces.push(Piece::Text(&rest[..at]));
        let whole = &rest[at..at + length + CLOSE.len()];
        let inner = &rest[at + OPEN.len()..at + length];
        let (service, name) = inner.split_once(':').unwrap_or((inner, ""));
        let secure = match service {
            "ssm" => false,
            "ssm-secure" => true,
            "secretsmanager" => {
                return Err(TemplateError::error(format!(
                    "{whole} cannot be resolved: this platform does not have Secrets Manager."
                )));
            }
            _ => {
                return Err(TemplateError::error(format!(
                    "Could not parse dynamic reference {whole}"
                )));
            }
        };
        if name.trim().is_empty() {
            return Err(TemplateError::error(format!(
                "Could not parse dynamic reference {whole}"
            )));
        }
        pieces.push(Piece::Reference(Reference {
            secure,
            name: name.trim().to_owned(),
        }));
        rest = &rest[at + length + CLOSE.len()..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Refuses what [`pieces`] refuses.
pub(crate) fn check(text: &str) -> Result<(), TemplateError> {
    if text.contains(OPEN) {
        pieces(text)?;
    }
    Ok(())
}

/// Whether anything in a value has to be put in.
pub(crate) fn has_any(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(OPEN),
        Value::Array(items) => items.iter().any(has_any),
        Value::Object(map) => map.values().any(has_any),
        _ => false,
    }
}

/// Adds the references in the properties of a resource to `found`.
///
/// # Errors
/// As [`pieces`]; for a secure one that stands where CloudFormation does not let it.
pub(crate) fn find(kind: &str, properties: &Value, found: &mut BTreeSet<Reference>) -> Result<(), TemplateError> {
    walk(kind, "", properties, found)
}

fn walk(kind: &str, path: &str, value: &Value, found: &mut BTreeSet<Reference>) -> Result<(), TemplateError> {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            for piece in pieces(text)? {
                let Piece::Reference(reference) = piece else { continue };
                if reference.secure && !takes_secure(kind, path) {
                    return Err(TemplateError(format!(
                        "SSM Secure reference is not supported in: [{kind}/Properties{path}]"
                    )));
                }
                found.insert(reference);
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(kind, path, item, found)),
        Value::Object(map) => map
            .iter()
            .try_for_each(|(name, inner)| walk(kind, &format!("{path}/{name}"), inner, found)),
        _ => Ok(()),
    }
}

/// Where a SecureString may be put in. Source: "Resources that support dynamic parameter patterns for secure strings".
fn takes_secure(kind: &str, path: &str) -> bool {
    matches!(
        (kind, path),
        ("AWS::RDS::DBInstance" | "AWS::RDS::DBCluster", "/MasterUserPassword")
            | ("AWS::IAM::User", "/LoginProfile/Password")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(kind: &str, value: &Value) -> Result<Vec<String>, String> {
        let mut found = BTreeSet::new();
        find(kind, value, &mut found).map_err(|error| error.0)?;
        Ok(found.into_iter().map(|reference| reference.name).collect())
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let value = json!({ "A": ["x {{resolve:ssm:/a/b:3}}-{{resolve:ssm:c}}"], "B": { "C": "{{not}}" } });
        assert_eq!(found("T", &value).unwrap(), ["/a/b:3", "c"]);
        assert!(has_any(&value) && !has_any(&json!(["{{not}}"])));
        let password = json!({ "MasterUserPassword": "{{resolve:ssm-secure:/p:1}}" });
        assert_eq!(found("AWS::RDS::DBInstance", &password).unwrap(), ["/p:1"]);
        assert_eq!(
            found("AWS::S3::Bucket", &json!({ "N": { "M": "{{resolve:ssm-secure:p}}" } })).unwrap_err(),
            "SSM Secure reference is not supported in: [AWS::S3::Bucket/Properties/N/M]"
        );
    }

    #[test]
    fn what_is_not_built_is_named() {
        let error = check("{{resolve:secretsmanager:x}}").unwrap_err().0;
        assert_eq!(
            error,
            "Template error: {{resolve:secretsmanager:x}} cannot be resolved: this platform does not have Secrets Manager."
        );
        assert!(check("{{resolve:other:x}}").is_err() && check("{{resolve:ssm}}").is_err());
        assert!(check("{{resolve:ssm:x").is_ok());
    }
}
