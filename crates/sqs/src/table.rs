//! Every operation, with the permission it needs and the function that does it. Batches need what their entries need.

use crate::access::{arn, asked, at, named, own};
use crate::shapes::operations as op;
use crate::{Sqs, attributes, moves, permissions, queues, receive, redrive, send, settle, tags};
use danbi_core::Access;
use danbi_wire::{Service, models};
use std::sync::Arc;

/// The largest request, in bytes: a batch of a mebibyte whose every character is escaped.
const MAX_REQUEST: usize = 8 << 20;

impl Sqs {
    /// The SQS API.
    #[rustfmt::skip] // A table reads by its columns.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&models::SQS, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(op::CreateQueue, |_, c, i| named(c, "sqs:CreateQueue", &i.queue_name), queues::create)
            .on(op::DeleteQueue, |_, c, i| own(c, "sqs:DeleteQueue", &i.queue_url), queues::delete)
            .on(op::GetQueueUrl, |_, c, i| asked(c, i), queues::url)
            .on(op::ListQueues, |_, _, _| Ok(Access::any("sqs:ListQueues")), queues::list)
            .on(op::PurgeQueue, |_, c, i| at(c, "sqs:PurgeQueue", &i.queue_url), queues::purge)
            .on(op::GetQueueAttributes, |_, c, i| at(c, "sqs:GetQueueAttributes", &i.queue_url), attributes::get)
            .on(op::SetQueueAttributes, |_, c, i| own(c, "sqs:SetQueueAttributes", &i.queue_url), attributes::put_all)
            .on(op::ListDeadLetterSourceQueues, |_, c, i| at(c, "sqs:ListDeadLetterSourceQueues", &i.queue_url), redrive::list_sources)
            .on(op::SendMessage, |_, c, i| at(c, "sqs:SendMessage", &i.queue_url), send::send)
            .on(op::SendMessageBatch, |_, c, i| at(c, "sqs:SendMessage", &i.queue_url), send::send_batch)
            .on(op::ReceiveMessage, |_, c, i| at(c, "sqs:ReceiveMessage", &i.queue_url), receive::receive)
            .on(op::DeleteMessage, |_, c, i| at(c, "sqs:DeleteMessage", &i.queue_url), settle::delete)
            .on(op::DeleteMessageBatch, |_, c, i| at(c, "sqs:DeleteMessage", &i.queue_url), settle::delete_batch)
            .on(op::ChangeMessageVisibility, |_, c, i| at(c, "sqs:ChangeMessageVisibility", &i.queue_url), settle::change)
            .on(op::ChangeMessageVisibilityBatch, |_, c, i| at(c, "sqs:ChangeMessageVisibility", &i.queue_url), settle::change_batch)
            .on(op::StartMessageMoveTask, |_, c, i| arn(c, "sqs:StartMessageMoveTask", &i.source_arn), moves::start)
            .on(op::ListMessageMoveTasks, |_, c, i| arn(c, "sqs:ListMessageMoveTasks", &i.source_arn), moves::list)
            .on(op::CancelMessageMoveTask, |_, c, i| arn(c, "sqs:CancelMessageMoveTask", &moves::source_of(&i.task_handle)), moves::cancel)
            .on(op::AddPermission, |_, c, i| own(c, "sqs:AddPermission", &i.queue_url), permissions::add)
            .on(op::RemovePermission, |_, c, i| own(c, "sqs:RemovePermission", &i.queue_url), permissions::remove)
            .on(op::TagQueue, |_, c, i| own(c, "sqs:TagQueue", &i.queue_url), tags::tag)
            .on(op::UntagQueue, |_, c, i| own(c, "sqs:UntagQueue", &i.queue_url), tags::untag)
            .on(op::ListQueueTags, |_, c, i| own(c, "sqs:ListQueueTags", &i.queue_url), tags::list)
            .build()
    }
}
