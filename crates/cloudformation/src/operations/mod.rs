//! The operations, each beside the question it puts to the authorizer.

mod change_sets;
mod describe;
mod exports;
mod prepare;
mod stacks;
mod templates;
mod types;
mod unfinished;

use crate::access;
use crate::engine::CloudFormation;
use crate::shapes::operations::*;
use danbi_wire::Service;
use std::sync::Arc;

/// The service as the wire serves it.
pub fn service(engine: Arc<CloudFormation>) -> Service {
    Service::builder(&danbi_wire::models::CLOUDFORMATION, engine)
        .body_limit(2 * 1024 * 1024)
        .on(CreateStack, access::create_stack, stacks::create)
        .on(UpdateStack, access::update_stack, stacks::update)
        .on(DeleteStack, access::delete_stack, stacks::delete)
        .on(UpdateTerminationProtection, access::protect, stacks::protect)
        .on(CancelUpdateStack, access::cancel_update, unfinished::cancel)
        .on(ContinueUpdateRollback, access::continue_rollback, unfinished::go_on)
        .on(RollbackStack, access::rollback, unfinished::roll_back)
        .on(SignalResource, access::signal, unfinished::signal)
        .on(CreateChangeSet, access::create_change_set, change_sets::create)
        .on(DescribeChangeSet, access::describe_change_set, change_sets::describe)
        .on(ListChangeSets, access::list_change_sets, change_sets::list)
        .on(ExecuteChangeSet, access::execute_change_set, change_sets::execute)
        .on(DeleteChangeSet, access::delete_change_set, change_sets::delete)
        .on(DescribeStacks, access::describe_stacks, describe::stacks)
        .on(ListStacks, access::list_stacks, describe::list)
        .on(DescribeStackEvents, access::describe_events, describe::events)
        .on(DescribeStackResource, access::describe_resource, describe::resource)
        .on(DescribeStackResources, access::describe_resources, describe::resources)
        .on(ListStackResources, access::list_resources, describe::list_resources)
        .on(GetStackPolicy, access::get_policy, stacks::get_policy)
        .on(SetStackPolicy, access::set_policy, stacks::set_policy)
        .on(GetTemplate, access::get_template, templates::get)
        .on(GetTemplateSummary, access::summary, templates::summary)
        .on(ValidateTemplate, access::validate, templates::validate)
        .on(EstimateTemplateCost, access::estimate, templates::estimate)
        .on(ListExports, access::list_exports, exports::list)
        .on(ListImports, access::list_imports, exports::imports)
        .on(DescribeAccountLimits, access::limits, types::limits)
        .on(DescribeType, access::describe_type, types::describe)
        .on(ListTypes, access::list_types, types::list)
        .build()
}
