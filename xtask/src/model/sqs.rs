//! What AWS's model of SQS says no more: the query protocol that older SDKs speak, and the codes of its errors.
//!
//! SQS was modelled as a query service until 2023 and still answers as one; today's model is of its JSON protocol alone.
//! The names are those of the API reference: lists and maps are flat, named by one item of them.

use super::Failure;
use serde_json::{Value, json};

/// Lists and maps, and what one item of them is called in a form.
const ITEMS: [(&str, &str); 23] = [
    ("AWSAccountIdList", "AWSAccountId"),
    ("ActionNameList", "ActionName"),
    ("AttributeNameList", "AttributeName"),
    ("BatchResultErrorEntryList", "BatchResultErrorEntry"),
    ("BinaryList", "BinaryListValue"),
    (
        "ChangeMessageVisibilityBatchRequestEntryList",
        "ChangeMessageVisibilityBatchRequestEntry",
    ),
    (
        "ChangeMessageVisibilityBatchResultEntryList",
        "ChangeMessageVisibilityBatchResultEntry",
    ),
    ("DeleteMessageBatchRequestEntryList", "DeleteMessageBatchRequestEntry"),
    ("DeleteMessageBatchResultEntryList", "DeleteMessageBatchResultEntry"),
    ("ListMessageMoveTasksResultEntryList", "ListMessageMoveTasksResultEntry"),
    ("MessageAttributeNameList", "MessageAttributeName"),
    ("MessageBodyAttributeMap", "MessageAttribute"),
    ("MessageBodySystemAttributeMap", "MessageSystemAttribute"),
    ("MessageList", "Message"),
    ("MessageSystemAttributeList", "MessageSystemAttributeName"),
    ("MessageSystemAttributeMap", "Attribute"),
    ("QueueAttributeMap", "Attribute"),
    ("QueueUrlList", "QueueUrl"),
    ("SendMessageBatchRequestEntryList", "SendMessageBatchRequestEntry"),
    ("SendMessageBatchResultEntryList", "SendMessageBatchResultEntry"),
    ("StringList", "StringListValue"),
    ("TagKeyList", "TagKey"),
    ("TagMap", "Tag"),
];

/// Errors whose old codes are not their names.
const CODES: [(&str, &str); 13] = [
    (
        "BatchEntryIdsNotDistinct",
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    ),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("InvalidParameterValueException", "InvalidParameterValue"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("MissingRequiredParameterException", "MissingParameter"),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    (
        "TooManyEntriesInBatchRequest",
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    ),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

/// Errors that SQS answers and its model has not.
const UNMODELLED: [&str; 2] = ["InvalidParameterValueException", "MissingRequiredParameterException"];

/// Adds the query protocol to the trimmed model.
pub fn speak_query(model: &mut Value) -> Result<(), Failure> {
    model["metadata"]["protocols"] = json!(["json", "query"]);
    model["metadata"]["xmlNamespace"] = json!("http://queue.amazonaws.com/doc/2012-11-05/");
    let shapes = model["shapes"].as_object_mut().ok_or("the model has no shapes")?;
    for name in UNMODELLED {
        let shape =
            json!({"type": "structure", "members": {"message": {"shape": "ExceptionMessage"}}, "exception": true});
        shapes.insert(name.into(), shape);
    }
    for (name, code) in CODES {
        if let Some(shape) = shapes.get_mut(name) {
            shape["error"] = json!({"code": code, "senderFault": true});
        }
    }
    for (name, shape) in shapes.iter_mut() {
        if shape["type"] == "map" {
            shape["key"]["locationName"] = json!(if name == "TagMap" { "Key" } else { "Name" });
            shape["value"]["locationName"] = json!("Value");
        }
        for member in shape["members"]
            .as_object_mut()
            .into_iter()
            .flat_map(|members| members.values_mut())
        {
            let target = member["shape"].as_str().unwrap_or_default();
            if let Some((_, item)) = ITEMS.iter().find(|(list, _)| *list == target) {
                member["formName"] = json!(item);
            }
        }
    }
    // Without a time-out there is nothing to change, which a number cannot say.
    if let Some(required) = shapes["ChangeMessageVisibilityRequest"]["required"].as_array_mut() {
        required.retain(|name| name != "VisibilityTimeout");
    }
    // The model requires both lists of a batch's answer; what goes over the wire has no empty list.
    for batch in ["ChangeMessageVisibility", "DeleteMessage", "SendMessage"] {
        if let Some(shape) = shapes.get_mut(&format!("{batch}BatchResult")) {
            shape["required"] = json!([]);
        }
    }
    Ok(())
}
