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

/// The queue of a URL, for what only its own account may do, whatever its policy says. Source: "cross-account permissions
/// don't apply to this action" in <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>.
pub(crate) fn own(context: &RequestContext, action: &'static str, url: &str) -> Asked {
    match QueueName::of_url(context, url) {
        Ok(queue) if queue.scope.account != context.scope.account => Err(ServiceError::client(
            "AccessDeniedException",
            403,
            format!("Access to the resource {} is denied.", queue.url(context)),
        )),
        _ => at(context, action, url),
    }
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

/// A queue of the caller's by its ARN. That there is none of anybody else's is the handler's to say.
pub(crate) fn arn(context: &RequestContext, action: &'static str, arn: &str) -> Asked {
    Ok(match QueueName::of_arn(arn) {
        Some(queue) if queue.scope != context.scope => Access::any(action),
        _ => Access::new(action, arn),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::{Principal, Scope};

    #[test]
    fn what_only_the_owner_may_do_is_refused_to_others_whatever_policies_say() {
        let context = RequestContext::inside(Scope::default(), Principal::Anonymous, None);
        let asked = |url: &str| own(&context, "sqs:DeleteQueue", url);
        assert_eq!(
            asked("https://sqs.us-east-1.amazonaws.com/000000000000/q")
                .unwrap()
                .resource,
            "arn:aws:sqs:us-east-1:000000000000:q"
        );
        let refused = asked("https://sqs.us-east-1.amazonaws.com/123456789012/q").unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (
                "AccessDeniedException",
                "Access to the resource https://sqs.us-east-1.amazonaws.com/123456789012/q is denied."
            )
        );
    }
}
