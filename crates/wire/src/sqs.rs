//! What SQS's query protocol has of its own: a queue's URL is where its requests go, and some words.

use crate::model::{Model, OperationModel};
use crate::protocol::Protocol;
use crate::value::Value;

const QUEUE_URL: &str = "QueueUrl";

pub(crate) fn is_sqs(model: &Model) -> bool {
    model.metadata.signing_name == "sqs"
}

/// A form that was sent to a queue's own path is about that queue, unless it names another.
pub(crate) fn address(model: &Model, operation: &OperationModel, protocol: Protocol, path: &str, input: &mut Value) {
    if protocol != Protocol::Query || !is_sqs(model) || path == "/" {
        return;
    }
    let structure = operation.input.as_ref().and_then(|member| model.structure(member));
    let takes = structure.is_some_and(|structure| structure.members.iter().any(|member| member.name == QUEUE_URL));
    if let (true, Value::Map(members)) = (takes && input.get(QUEUE_URL).is_none(), input) {
        members.push((QUEUE_URL.to_owned(), Value::String(path.to_owned())));
    }
}

/// What the query protocol adds to the message of an error.
pub(crate) fn worded<'m>(code: &str, message: &'m str) -> std::borrow::Cow<'m, str> {
    match (code, message.strip_suffix('.')) {
        ("QueueDoesNotExist", Some(message)) => format!("{message} for this wsdl version.").into(),
        _ => message.into(),
    }
}
