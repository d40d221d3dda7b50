//! Every operation that is built, with the permission it needs and the function that does it.

use crate::operations::{by_path, delete, describe, get, history, labels, put, tags};
use crate::shapes::operations as op;
use crate::{Ssm, access};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// The largest request, in bytes: a value, its policies and its tags.
const MAX_REQUEST: usize = 1 << 20;

impl Ssm {
    /// The API of the Parameter Store.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&models::SSM, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(op::PutParameter, access::put, put::put_parameter)
            .on(op::GetParameter, access::get, get::get_parameter)
            .on(op::GetParameters, access::get_all, get::get_parameters)
            .on(
                op::GetParametersByPath,
                access::by_path,
                by_path::get_parameters_by_path,
            )
            .on(op::GetParameterHistory, access::history, history::get_parameter_history)
            .on(op::DescribeParameters, access::describe, describe::describe_parameters)
            .on(op::DeleteParameter, access::delete, delete::delete_parameter)
            .on(op::DeleteParameters, access::delete_all, delete::delete_parameters)
            .on(op::LabelParameterVersion, access::label, labels::label)
            .on(op::UnlabelParameterVersion, access::unlabel, labels::unlabel)
            .on(op::AddTagsToResource, access::add_tags, tags::add)
            .on(op::RemoveTagsFromResource, access::remove_tags, tags::remove)
            .on(op::ListTagsForResource, access::list_tags, tags::list)
            .build()
    }
}
