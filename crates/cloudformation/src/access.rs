//! Which action on which resource each operation asks for.
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html>.

use crate::engine::CloudFormation;
use crate::names;
use crate::shapes::*;
use danbi_core::{Access, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;

fn on(context: &RequestContext, action: &'static str, stack: &str) -> Asked {
    Ok(Access::new(action, names::arn(&context.scope, stack)))
}

fn maybe(context: &RequestContext, action: &'static str, stack: Option<&String>) -> Asked {
    match stack {
        Some(stack) => on(context, action, stack),
        None => Ok(Access::any(action)),
    }
}

/// Functions that ask for an action on the stack that the input names.
macro_rules! on_stack {
    ($($name:ident: $input:ty => $action:literal;)*) => {$(
        pub(crate) fn $name(_: &CloudFormation, context: &RequestContext, input: &$input) -> Asked {
            on(context, concat!("cloudformation:", $action), &input.stack_name)
        }
    )*};
}

/// The same where the input need not name a stack.
macro_rules! on_stack_if_any {
    ($($name:ident: $input:ty => $action:literal;)*) => {$(
        pub(crate) fn $name(_: &CloudFormation, context: &RequestContext, input: &$input) -> Asked {
            maybe(context, concat!("cloudformation:", $action), input.stack_name.as_ref())
        }
    )*};
}

/// Functions that ask for an action that names no resource.
macro_rules! on_all {
    ($($name:ident: $input:ty => $action:literal;)*) => {$(
        pub(crate) fn $name(_: &CloudFormation, _: &RequestContext, _: &$input) -> Asked {
            Ok(Access::any(concat!("cloudformation:", $action)))
        }
    )*};
}

// Macros because a function cannot be generic over "a struct with the field stack_name".
on_stack! {
    create_stack: CreateStackInput => "CreateStack";
    update_stack: UpdateStackInput => "UpdateStack";
    delete_stack: DeleteStackInput => "DeleteStack";
    cancel_update: CancelUpdateStackInput => "CancelUpdateStack";
    continue_rollback: ContinueUpdateRollbackInput => "ContinueUpdateRollback";
    rollback: RollbackStackInput => "RollbackStack";
    create_change_set: CreateChangeSetInput => "CreateChangeSet";
    list_change_sets: ListChangeSetsInput => "ListChangeSets";
    describe_events: DescribeStackEventsInput => "DescribeStackEvents";
    describe_resource: DescribeStackResourceInput => "DescribeStackResource";
    list_resources: ListStackResourcesInput => "ListStackResources";
    get_policy: GetStackPolicyInput => "GetStackPolicy";
    set_policy: SetStackPolicyInput => "SetStackPolicy";
    signal: SignalResourceInput => "SignalResource";
    protect: UpdateTerminationProtectionInput => "UpdateTerminationProtection";
}

on_stack_if_any! {
    describe_stacks: DescribeStacksInput => "DescribeStacks";
    describe_resources: DescribeStackResourcesInput => "DescribeStackResources";
    delete_change_set: DeleteChangeSetInput => "DeleteChangeSet";
    describe_change_set: DescribeChangeSetInput => "DescribeChangeSet";
    execute_change_set: ExecuteChangeSetInput => "ExecuteChangeSet";
    get_template: GetTemplateInput => "GetTemplate";
    summary: GetTemplateSummaryInput => "GetTemplateSummary";
}

on_all! {
    limits: DescribeAccountLimitsInput => "DescribeAccountLimits";
    describe_type: DescribeTypeInput => "DescribeType";
    estimate: EstimateTemplateCostInput => "EstimateTemplateCost";
    list_exports: ListExportsInput => "ListExports";
    list_imports: ListImportsInput => "ListImports";
    list_stacks: ListStacksInput => "ListStacks";
    list_types: ListTypesInput => "ListTypes";
    validate: ValidateTemplateInput => "ValidateTemplate";
}
