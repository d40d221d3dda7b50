//! What SQS's query protocol has of its own: a queue's URL is where its requests go, and some words.

use crate::model::{Model, OperationModel};
use crate::protocol::Protocol;
use crate::value::Value;
use danbi_core::ServiceError;

const QUEUE_URL: &str = "QueueUrl";

pub(crate) fn is_sqs(model: &Model) -> bool {
    model.metadata.signing_name == "sqs"
}

/// What a queue's own path does not do.
const OF_THE_SERVICE: [&str; 2] = ["CreateQueue", "ListQueues"];

/// A form that was sent to a queue's own path is about that queue, unless it names another.
///
/// # Errors
/// `InvalidAction` for what is asked of the service alone.
pub(crate) fn address(
    model: &Model,
    operation: &OperationModel,
    protocol: Protocol,
    path: &str,
    input: &mut Value,
) -> Result<(), ServiceError> {
    if protocol != Protocol::Query || !is_sqs(model) || path == "/" {
        return Ok(());
    }
    if OF_THE_SERVICE.contains(&operation.name.as_str()) {
        return Err(ServiceError::client(
            "InvalidAction",
            400,
            invalid_action(&operation.name),
        ));
    }
    let structure = operation.input.as_ref().and_then(|member| model.structure(member));
    let takes = structure.is_some_and(|structure| structure.members.iter().any(|member| member.name == QUEUE_URL));
    if let (true, Value::Map(members)) = (takes && input.get(QUEUE_URL).is_none(), input) {
        members.push((QUEUE_URL.to_owned(), Value::String(path.to_owned())));
    }
    Ok(())
}

pub(crate) fn invalid_action(action: &str) -> String {
    format!("The action {action} is not valid for this endpoint.")
}

/// What the query protocol adds to the message of an error.
pub(crate) fn worded<'m>(code: &str, message: &'m str) -> std::borrow::Cow<'m, str> {
    match (code, message.strip_suffix('.')) {
        ("QueueDoesNotExist", Some(message)) => format!("{message} for this wsdl version.").into(),
        _ => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::SQS;
    use crate::protocol::{ErrorContext, RoutedRequest, decode_request, encode_response};
    use bytes::Bytes;
    use http::HeaderMap;

    fn encoded(protocol: Protocol, error: &ServiceError) -> (HeaderMap, String) {
        let context = ErrorContext {
            model: Some(SQS.get()),
            protocol,
            request_id: "r",
            query_mode: true,
        };
        let encoded = context.encode(error);
        (encoded.headers, String::from_utf8(encoded.body.to_vec()).unwrap())
    }

    #[test]
    fn a_queues_own_url_is_for_what_concerns_the_queue() {
        let model = SQS.get();
        let mut input = Value::Map(Vec::new());
        let mut asked = |operation: &str, protocol, path| {
            address(model, model.operation(operation).unwrap(), protocol, path, &mut input)
        };
        for operation in ["CreateQueue", "ListQueues"] {
            let error = asked(operation, Protocol::Query, "/1/q").unwrap_err();
            let message = format!("The action {operation} is not valid for this endpoint.");
            assert_eq!((error.code, error.message), ("InvalidAction", message));
            asked(operation, Protocol::Query, "/").unwrap();
            // SDKs of PHP send documents there too.
            asked(operation, Protocol::Json10, "/1/q").unwrap();
        }
        asked("GetQueueUrl", Protocol::Query, "/1/q").unwrap();
    }

    #[test]
    fn errors_bear_old_codes_beside_new_names() {
        let error = ServiceError::client("QueueDoesNotExist", 400, "The specified queue does not exist.");
        let (headers, body) = encoded(Protocol::Json10, &error);
        assert_eq!(
            headers["x-amzn-query-error"],
            "AWS.SimpleQueueService.NonExistentQueue;Sender"
        );
        assert_eq!(
            body,
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
        );
        let (_, body) = encoded(Protocol::Query, &error);
        assert!(
            body.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"),
            "{body}"
        );
        assert!(
            body.contains("<Message>The specified queue does not exist for this wsdl version.</Message>"),
            "{body}"
        );
        let error = ServiceError::client("InvalidParameterValueException", 400, "wrong");
        let (headers, _) = encoded(Protocol::Json10, &error);
        assert_eq!(headers["x-amzn-query-error"], "InvalidParameterValue;Sender");
    }

    #[test]
    fn forms_and_documents_name_the_same_members() {
        let (model, headers) = (SQS.get(), HeaderMap::new());
        let operation = model.operation("SendMessage").unwrap();
        let decode = |protocol, body: &'static str| {
            let request = RoutedRequest {
                labels: &[],
                query: "",
                headers: &headers,
                body: &Bytes::from_static(body.as_bytes()),
            };
            let mut input = decode_request(model, operation, protocol, request).unwrap();
            address(model, operation, protocol, "/1/q", &mut input).unwrap();
            input
        };
        let form = decode(
            Protocol::Query,
            "Action=SendMessage&MessageBody=b&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String\
             &MessageAttribute.1.Value.StringValue=v",
        );
        let document = decode(
            Protocol::Json10,
            r#"{"MessageBody":"b","MessageAttributes":{"a":{"DataType":"String","StringValue":"v"}},"QueueUrl":"/1/q"}"#,
        );
        for member in ["MessageBody", "QueueUrl"] {
            assert_eq!(form.get(member), document.get(member), "{member}");
        }
        let value = |input: &Value| {
            input
                .get("MessageAttributes")
                .and_then(|map| map.get("a")?.get("StringValue").cloned())
        };
        assert_eq!(value(&form), value(&document));
        assert!(value(&form).is_some());
        let operation = model.operation("ListQueues").unwrap();
        let urls = Value::Map(vec![("QueueUrls".into(), Value::List(vec![Value::String("u".into())]))]);
        let answer = |protocol| {
            String::from_utf8(encode_response(model, operation, protocol, &urls, "r").body.to_vec()).unwrap()
        };
        assert!(answer(Protocol::Query).contains("<ListQueuesResult><QueueUrl>u</QueueUrl></ListQueuesResult>"));
        assert_eq!(answer(Protocol::Json10), r#"{"QueueUrls":["u"]}"#);
        let operation = model.operation("ReceiveMessage").unwrap();
        let nothing = encode_response(model, operation, Protocol::Query, &Value::Map(Vec::new()), "r").body;
        assert_eq!(
            String::from_utf8(nothing.to_vec()).unwrap(),
            "<?xml version=\"1.0\"?><ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">\
             <ReceiveMessageResult/><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ReceiveMessageResponse>"
        );
    }
}
