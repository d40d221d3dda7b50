//! Which action on which resource each operation asks for.
//!
//! AWS's resource for an operation on a group is `…:log-group:NAME:log-stream:`, which policies on `…:log-group:NAME:*`
//! match; the tag operations that take an ARN ask for `…:log-group:NAME` itself.
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>.

use crate::error::LogsError;
use crate::shapes::*;
use crate::{Logs, names};
use danbi_core::{Access, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;

fn group(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    stream(context, action, name, "")
}

fn stream(context: &RequestContext, action: &'static str, group: &str, stream: &str) -> Asked {
    Ok(Access::new(action, names::stream_arn(&context.scope, group, stream)))
}

/// A group given by name or identifier. What names no group of the caller is asked for as it stands, so that nobody
/// without rights learns what is wrong with it; the handler says that.
fn either(
    context: &RequestContext,
    action: &'static str,
    name: Option<&String>,
    identifier: Option<&String>,
    stream_name: &str,
) -> Asked {
    let (name, identifier) = (name.map(String::as_str), identifier.map(String::as_str));
    match (
        names::group_of(context, name, identifier),
        identifier.filter(|text| text.starts_with("arn:")),
    ) {
        (Ok(group), _) => stream(context, action, &group, stream_name),
        (Err(_), Some(arn)) => Ok(Access::new(action, format!("{arn}:log-stream:{stream_name}"))),
        (Err(_), None) => stream(context, action, name.unwrap_or_default(), stream_name),
    }
}

fn tagged(context: &RequestContext, action: &'static str, arn: &str) -> Asked {
    let group = names::tagged_group(&context.scope, arn).map(|name| names::group_arn(&context.scope, &name));
    Ok(Access::new(action, group.unwrap_or_else(|_| arn.to_owned())))
}

pub(crate) fn create_group(_: &Logs, context: &RequestContext, input: &CreateLogGroupRequest) -> Asked {
    let mut access = group(context, "logs:CreateLogGroup", &input.log_group_name)?;
    for key in input.tags.iter().flat_map(|tags| tags.keys()) {
        access = access.with("aws:TagKeys", key);
    }
    Ok(access)
}

pub(crate) fn delete_group(_: &Logs, context: &RequestContext, input: &DeleteLogGroupRequest) -> Asked {
    group(context, "logs:DeleteLogGroup", &input.log_group_name)
}

pub(crate) fn describe_groups(_: &Logs, context: &RequestContext, _: &DescribeLogGroupsRequest) -> Asked {
    group(context, "logs:DescribeLogGroups", "")
}

pub(crate) fn list_groups(_: &Logs, context: &RequestContext, _: &ListLogGroupsRequest) -> Asked {
    group(context, "logs:ListLogGroups", "")
}

pub(crate) fn create_stream(_: &Logs, context: &RequestContext, input: &CreateLogStreamRequest) -> Asked {
    stream(
        context,
        "logs:CreateLogStream",
        &input.log_group_name,
        &input.log_stream_name,
    )
}

pub(crate) fn delete_stream(_: &Logs, context: &RequestContext, input: &DeleteLogStreamRequest) -> Asked {
    stream(
        context,
        "logs:DeleteLogStream",
        &input.log_group_name,
        &input.log_stream_name,
    )
}

pub(crate) fn describe_streams(_: &Logs, context: &RequestContext, input: &DescribeLogStreamsRequest) -> Asked {
    let (name, identifier) = (input.log_group_name.as_ref(), input.log_group_identifier.as_ref());
    either(context, "logs:DescribeLogStreams", name, identifier, "")
}

pub(crate) fn put_events(_: &Logs, context: &RequestContext, input: &PutLogEventsRequest) -> Asked {
    stream(
        context,
        "logs:PutLogEvents",
        &input.log_group_name,
        &input.log_stream_name,
    )
}

pub(crate) fn get_events(_: &Logs, context: &RequestContext, input: &GetLogEventsRequest) -> Asked {
    let (name, identifier) = (input.log_group_name.as_ref(), input.log_group_identifier.as_ref());
    either(context, "logs:GetLogEvents", name, identifier, &input.log_stream_name)
}

pub(crate) fn filter_events(_: &Logs, context: &RequestContext, input: &FilterLogEventsRequest) -> Asked {
    let (name, identifier) = (input.log_group_name.as_ref(), input.log_group_identifier.as_ref());
    either(context, "logs:FilterLogEvents", name, identifier, "")
}

pub(crate) fn live_tail(_: &Logs, context: &RequestContext, input: &StartLiveTailRequest) -> Asked {
    // One request is one question to the authorizer, so a session over several groups would watch unasked-for ones.
    let [identifier] = input.log_group_identifiers.as_slice() else {
        let message = "A Live Tail session over several log groups is not built yet: start one for each.";
        return Err(LogsError::invalid(message).into());
    };
    group(
        context,
        "logs:StartLiveTail",
        &names::group_named(&context.scope, identifier)?,
    )
}

pub(crate) fn test_filter(_: &Logs, _: &RequestContext, _: &TestMetricFilterRequest) -> Asked {
    Ok(Access::any("logs:TestMetricFilter"))
}

pub(crate) fn put_retention(_: &Logs, context: &RequestContext, input: &PutRetentionPolicyRequest) -> Asked {
    group(context, "logs:PutRetentionPolicy", &input.log_group_name)
}

pub(crate) fn delete_retention(_: &Logs, context: &RequestContext, input: &DeleteRetentionPolicyRequest) -> Asked {
    group(context, "logs:DeleteRetentionPolicy", &input.log_group_name)
}

pub(crate) fn tag_group(_: &Logs, context: &RequestContext, input: &TagLogGroupRequest) -> Asked {
    group(context, "logs:TagLogGroup", &input.log_group_name)
}

pub(crate) fn untag_group(_: &Logs, context: &RequestContext, input: &UntagLogGroupRequest) -> Asked {
    group(context, "logs:UntagLogGroup", &input.log_group_name)
}

pub(crate) fn list_group_tags(_: &Logs, context: &RequestContext, input: &ListTagsLogGroupRequest) -> Asked {
    group(context, "logs:ListTagsLogGroup", &input.log_group_name)
}

pub(crate) fn tag_resource(_: &Logs, context: &RequestContext, input: &TagResourceRequest) -> Asked {
    tagged(context, "logs:TagResource", &input.resource_arn)
}

pub(crate) fn untag_resource(_: &Logs, context: &RequestContext, input: &UntagResourceRequest) -> Asked {
    tagged(context, "logs:UntagResource", &input.resource_arn)
}

pub(crate) fn list_resource_tags(_: &Logs, context: &RequestContext, input: &ListTagsForResourceRequest) -> Asked {
    tagged(context, "logs:ListTagsForResource", &input.resource_arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    fn resource(name: Option<&str>, identifier: Option<&str>) -> String {
        let (name, identifier) = (name.map(str::to_owned), identifier.map(str::to_owned));
        let asked = either(&context(), "logs:GetLogEvents", name.as_ref(), identifier.as_ref(), "s").unwrap();
        asked.resource
    }

    #[test]
    fn every_request_is_a_question_even_a_wrong_one() {
        let own = "arn:aws:logs:us-east-1:000000000000:log-group";
        assert_eq!(resource(Some("g"), None), format!("{own}:g:log-stream:s"));
        assert_eq!(
            resource(None, Some(&format!("{own}:g"))),
            format!("{own}:g:log-stream:s")
        );
        assert_eq!(resource(None, None), format!("{own}::log-stream:s"));
        assert_eq!(resource(Some("g"), Some("g")), format!("{own}:g:log-stream:s"));
        let other = "arn:aws:logs:eu-west-1:123456789012:log-group:g";
        assert_eq!(resource(None, Some(other)), format!("{other}:log-stream:s"));
    }
}
