//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html>.

use crate::Ssm;
use crate::names;
use crate::shapes::*;
use danbi_core::{Access, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;
type AllAsked = Result<Vec<Access>, ServiceError>;

fn on(context: &RequestContext, action: &'static str, name: &str) -> Access {
    Access::new(action, names::resource(&context.scope, name))
}

fn on_all(context: &RequestContext, action: &'static str, names: &[String]) -> AllAsked {
    Ok(names.iter().map(|name| on(context, action, name)).collect())
}

fn with_tags<'t>(mut access: Access, tags: impl IntoIterator<Item = &'t Tag>) -> Access {
    for tag in tags {
        access = access.with(format!("aws:RequestTag/{}", tag.key), &tag.value);
        access = access.with("aws:TagKeys", &tag.key);
    }
    access
}

fn tagging(context: &RequestContext, action: &'static str, kind: &str, id: &str) -> Access {
    match kind {
        "Parameter" => on(context, action, id),
        _ => Access::any(action),
    }
}

/// PutParameter, and tagging when it does.
pub(crate) fn put(_: &Ssm, context: &RequestContext, input: &PutParameterRequest) -> AllAsked {
    let overwrite = input.overwrite.unwrap_or_default().to_string();
    let tags = input.tags.as_deref().unwrap_or_default();
    let asked = on(context, "ssm:PutParameter", &input.name).with("ssm:Overwrite", overwrite);
    let mut all = vec![with_tags(asked, tags)];
    if !tags.is_empty() {
        all.push(with_tags(on(context, "ssm:AddTagsToResource", &input.name), tags));
    }
    Ok(all)
}

pub(crate) fn get(_: &Ssm, context: &RequestContext, input: &GetParameterRequest) -> Asked {
    Ok(on(context, "ssm:GetParameter", &input.name))
}

pub(crate) fn get_all(_: &Ssm, context: &RequestContext, input: &GetParametersRequest) -> AllAsked {
    on_all(context, "ssm:GetParameters", &input.names)
}

/// Whoever may read a path may read all below it.
pub(crate) fn by_path(_: &Ssm, context: &RequestContext, input: &GetParametersByPathRequest) -> Asked {
    let recursive = input.recursive.unwrap_or_default().to_string();
    let path = input.path.strip_suffix('/').unwrap_or(&input.path);
    Ok(on(context, "ssm:GetParametersByPath", path).with("ssm:Recursive", recursive))
}

pub(crate) fn history(_: &Ssm, context: &RequestContext, input: &GetParameterHistoryRequest) -> Asked {
    Ok(on(context, "ssm:GetParameterHistory", &input.name))
}

pub(crate) fn describe(_: &Ssm, _: &RequestContext, _: &DescribeParametersRequest) -> Asked {
    Ok(Access::any("ssm:DescribeParameters"))
}

pub(crate) fn delete(_: &Ssm, context: &RequestContext, input: &DeleteParameterRequest) -> Asked {
    Ok(on(context, "ssm:DeleteParameter", &input.name))
}

pub(crate) fn delete_all(_: &Ssm, context: &RequestContext, input: &DeleteParametersRequest) -> AllAsked {
    on_all(context, "ssm:DeleteParameters", &input.names)
}

pub(crate) fn label(_: &Ssm, context: &RequestContext, input: &LabelParameterVersionRequest) -> Asked {
    Ok(on(context, "ssm:LabelParameterVersion", &input.name))
}

pub(crate) fn unlabel(_: &Ssm, context: &RequestContext, input: &UnlabelParameterVersionRequest) -> Asked {
    Ok(on(context, "ssm:UnlabelParameterVersion", &input.name))
}

pub(crate) fn add_tags(_: &Ssm, context: &RequestContext, input: &AddTagsToResourceRequest) -> Asked {
    let asked = tagging(
        context,
        "ssm:AddTagsToResource",
        &input.resource_type,
        &input.resource_id,
    );
    Ok(with_tags(asked, &input.tags))
}

pub(crate) fn remove_tags(_: &Ssm, context: &RequestContext, input: &RemoveTagsFromResourceRequest) -> Asked {
    let (kind, id) = (&input.resource_type, &input.resource_id);
    let mut asked = tagging(context, "ssm:RemoveTagsFromResource", kind, id);
    for key in &input.tag_keys {
        asked = asked.with("aws:TagKeys", key);
    }
    Ok(asked)
}

pub(crate) fn list_tags(_: &Ssm, context: &RequestContext, input: &ListTagsForResourceRequest) -> Asked {
    let (kind, id) = (&input.resource_type, &input.resource_id);
    Ok(tagging(context, "ssm:ListTagsForResource", kind, id))
}
