use crate::error::LogsError;
use danbi_core::{Arn, RequestContext, Scope};

/// The group that a request means, by name or by identifier (a name or an ARN); exactly one of the two must be given.
pub(crate) fn group_of<'a>(
    context: &RequestContext,
    name: Option<&'a str>,
    identifier: Option<&'a str>,
) -> Result<String, LogsError> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(LogsError::Validation(
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        )),
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => group_named(&context.scope, identifier),
        (None, None) => Err(LogsError::Validation(
            "Either LogGroup name or LogGroup ARN must be specified.",
        )),
    }
}

/// The name in a group identifier. An ARN of another account or region names no group that the caller can see.
pub(crate) fn group_named(scope: &Scope, identifier: &str) -> Result<String, LogsError> {
    if !identifier.starts_with("arn:") {
        return Ok(identifier.to_owned());
    }
    let arn: Arn = identifier.parse().map_err(|_| LogsError::invalid("Invalid ARN"))?;
    let name = arn
        .resource
        .strip_prefix("log-group:")
        .filter(|_| arn.service == "logs");
    let name = name.ok_or_else(|| LogsError::invalid("Invalid ARN"))?;
    let name = name
        .strip_suffix(":*")
        .or_else(|| name.strip_suffix(':'))
        .unwrap_or(name);
    if arn.scope().as_ref() == Some(scope) {
        Ok(name.to_owned())
    } else {
        Err(LogsError::NoGroup)
    }
}

/// The group that the ARN of a taggable resource names.
pub(crate) fn tagged_group(scope: &Scope, arn: &str) -> Result<String, LogsError> {
    if !arn.starts_with("arn:") {
        return Err(LogsError::invalid("Invalid ARN"));
    }
    group_named(scope, arn).map_err(|error| {
        if matches!(error, LogsError::NoGroup) {
            LogsError::NoResource
        } else {
            error
        }
    })
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`.
pub(crate) fn group_arn(scope: &Scope, group: &str) -> String {
    Arn::new("logs", scope, format!("log-group:{group}")).to_string()
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:GROUP:log-stream:STREAM`.
pub(crate) fn stream_arn(scope: &Scope, group: &str, stream: &str) -> String {
    Arn::new("logs", scope, format!("log-group:{group}:log-stream:{stream}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_name_or_an_arn_of_the_caller() {
        let scope = Scope::default();
        let named = |identifier| group_named(&scope, identifier);
        assert_eq!(named("/aws/lambda/f").unwrap(), "/aws/lambda/f");
        assert_eq!(named("arn:aws:logs:us-east-1:000000000000:log-group:g").unwrap(), "g");
        assert_eq!(named("arn:aws:logs:us-east-1:000000000000:log-group:g:*").unwrap(), "g");
        assert!(matches!(
            named("arn:aws:logs:eu-west-1:000000000000:log-group:g"),
            Err(LogsError::NoGroup)
        ));
        assert!(matches!(named("arn:aws:s3:::b"), Err(LogsError::InvalidParameter(_))));
    }
}
