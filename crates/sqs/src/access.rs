//! Which action on which queue a request asks for.

use crate::names::QueueName;
use crate::queues;
use crate::shapes::GetQueueUrlRequest;
use danbi_core::{Access, RequestContext, ServiceError};

pub(crate) type Asked = Result<Access, ServiceError>;

/// The queue of a URL. What is wrong with the URL is the handler's to say, to those with rights.
pub(crate) fn at(context: &RequestContext, action: &'static str, url: &str) -> Asked {
    let queue = QueueName::of_url(context, url);
    Ok(match queue {
        Ok(queue) => Access::new(action, queue.arn()),
        Err(_) => Access::any(action),
    })
}

/// The queue of this name in the caller's account.
pub(crate) fn named(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    Ok(Access::new(action, QueueName::of(context, name).arn()))
}

/// The queue that GetQueueUrl asks for.
pub(crate) fn asked(context: &RequestContext, input: &GetQueueUrlRequest) -> Asked {
    Ok(match queues::named(context, input) {
        Ok(queue) => Access::new("sqs:GetQueueUrl", queue.arn()),
        Err(_) => Access::any("sqs:GetQueueUrl"),
    })
}

/// A queue by its ARN, as it was named.
pub(crate) fn arn(action: &'static str, arn: &str) -> Asked {
    Ok(Access::new(action, arn))
}
