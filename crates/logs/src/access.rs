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

fn either<'a>(
    context: &RequestContext,
    name: Option<&'a String>,
    identifier: Option<&'a String>,
) -> Result<String, ServiceError> {
    Ok(names::group_of(
        context,
        name.map(String::as_str),
        identifier.map(String::as_str),
    )?)
}

fn tagged(context: &RequestContext, action: &'static str, arn: &str) -> Asked {
    let name = names::tagged_group(&context.scope, arn)?;
    Ok(Access::new(action, names::group_arn(&context.scope, &name)))
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
    let name = either(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;
    group(context, "logs:DescribeLogStreams", &name)
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
    let name = either(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;
    stream(context, "logs:GetLogEvents", &name, &input.log_stream_name)
}

pub(crate) fn filter_events(_: &Logs, context: &RequestContext, input: &FilterLogEventsRequest) -> Asked {
    let name = either(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;
    group(context, "logs:FilterLogEvents", &name)
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
