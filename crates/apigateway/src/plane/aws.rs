//! Integrations with other services of the platform: `arn:aws:apigateway:REGION:SERVICE:action/OPERATION` and `…:path/…`.

use super::failure::Failure;
use super::integrate::{Answer, Asked, Work};
use crate::vtl::url_decode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{ApiCall, ServiceError};
use serde_json::{Map, Value, json};

/// Asks the service as the integration's role.
pub(super) async fn answer(work: &Work<'_>, asked: &Asked) -> Result<Answer, Failure> {
    let mut uri = work.with_variables(work.method.integration.uri.as_deref().unwrap_or_default());
    for (name, value) in &asked.mapped.path {
        uri = uri
            .replace(&format!("{{{name}}}"), value)
            .replace(&format!("{{{name}+}}"), value);
    }
    let invalid = || Failure::configuration("Execution failed due to configuration error: Invalid endpoint address");
    let parts: Vec<&str> = uri.splitn(6, ':').collect();
    let [_, _, _, _, service, place] = parts.as_slice() else {
        return Err(invalid());
    };
    // `subdomain.service` addresses a bucket's or a queue's own host.
    let (subdomain, service) = match service.split_once('.') {
        Some((subdomain, service)) => (Some(subdomain), service),
        None => (None, *service),
    };
    if work.method.integration.credentials.as_deref().is_none_or(str::is_empty) {
        return Err(Failure::configuration(
            "Execution failed due to configuration error: AWS integrations need credentials: a role that API Gateway may assume",
        ));
    }
    let call = if let Some(operation) = place.strip_prefix("action/") {
        let operation = operation.split('&').next().unwrap_or_default();
        ApiCall::new(service, operation, input(asked))
    } else {
        let path = place.strip_prefix("path/").ok_or_else(invalid)?;
        by_path(work, asked, service, subdomain, path).ok_or_else(invalid)?
    };
    work.journal
        .note(|| format!("Sending request to {}:{}", call.service, call.operation));
    let context = work.acting().await?;
    let is_object = call.operation == "GetObject";
    match work.gateway.parts.api.call(&context, call).await {
        Ok(output) => Ok(success(output, is_object)),
        Err(error) if error.code == "NotImplementedException" || error.code == "UnknownOperationException" => {
            Err(Failure::configuration(format!(
                "Execution failed due to configuration error: {}",
                error.message
            )))
        }
        Err(error) => Ok(refusal(&error)),
    }
}

fn success(mut output: Value, is_object: bool) -> Answer {
    let body = if is_object {
        let body = output["Body"].as_str().and_then(|body| STANDARD.decode(body).ok());
        body.unwrap_or_default()
    } else if output.is_null() {
        b"{}".to_vec()
    } else {
        output.to_string().into_bytes()
    };
    let kind = output["ContentType"].take();
    let kind = kind.as_str().filter(|_| is_object).unwrap_or("application/json");
    Answer {
        status: 200,
        headers: vec![("Content-Type".into(), kind.into())],
        body: body.into(),
        selector: "200".into(),
    }
}

fn refusal(error: &ServiceError) -> Answer {
    Answer {
        status: error.status,
        headers: vec![("x-amzn-ErrorType".into(), error.code.into())],
        body: json!({ "__type": error.code, "message": error.message })
            .to_string()
            .into(),
        selector: error.status.to_string(),
    }
}

/// The operation's input: JSON of the body, or the form of a query service, with the mapped query beside it.
fn input(asked: &Asked) -> Value {
    let body = String::from_utf8_lossy(&asked.body);
    let mut members = match serde_json::from_str(&body) {
        Ok(Value::Object(members)) => members,
        _ => form(&body),
    };
    for (name, value) in &asked.mapped.query {
        insert(&mut members, name, value.clone());
    }
    members.shift_remove("Action");
    members.shift_remove("Version");
    Value::Object(members)
}

fn form(text: &str) -> Map<String, Value> {
    let mut members = Map::new();
    for pair in text.trim().split('&').filter(|pair| pair.contains('=')).take(1000) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        insert(&mut members, &url_decode(name), url_decode(value));
    }
    members
}

/// `MessageAttribute.1.Name=x` as query services write members of lists and maps.
fn insert(members: &mut Map<String, Value>, name: &str, value: String) {
    let parts: Vec<&str> = name
        .split('.')
        .filter(|part| !matches!(*part, "member" | "entry"))
        .collect();
    match parts.as_slice() {
        [attributes, number, rest @ ..]
            if number.parse::<usize>().is_ok() && attributes.starts_with("MessageAttribute") =>
        {
            let list = members.entry("#attributes").or_insert_with(|| json!({}));
            if let Value::Object(list) = list {
                let slot = list.entry(*number).or_insert_with(|| json!({}));
                slot[rest.join(".")] = value.into();
            }
            settle_attributes(members);
        }
        _ => {
            members.insert(name.to_owned(), value.into());
        }
    }
}

/// Turns the numbered attributes collected so far into the map that the operation takes.
fn settle_attributes(members: &mut Map<String, Value>) {
    let Some(Value::Object(numbered)) = members.get("#attributes").cloned() else {
        return;
    };
    let mut attributes = Map::new();
    for attribute in numbered.values() {
        let Some(name) = attribute["Name"].as_str().or(attribute["Key"].as_str()) else {
            continue;
        };
        let member = |member: &str| {
            let found = &attribute[format!("Value.{member}")];
            found.as_str().map(|text| (member.to_owned(), Value::from(text)))
        };
        attributes.insert(
            name.into(),
            Value::Object(
                ["DataType", "StringValue", "BinaryValue"]
                    .iter()
                    .filter_map(|name| member(name))
                    .collect(),
            ),
        );
    }
    members.insert("MessageAttributes".into(), Value::Object(attributes));
}

/// What a path means: objects of a bucket; a queue's address with the operation in the body; the operation of a query service.
fn by_path(work: &Work<'_>, asked: &Asked, service: &str, subdomain: Option<&str>, path: &str) -> Option<ApiCall> {
    let path = path.trim_start_matches('/');
    if service == "s3" {
        let (bucket, key) = match subdomain {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let key = url_decode(&key.replace('+', "%2B"));
        let place = json!({ "Bucket": bucket, "Key": key });
        let method = match work.method.integration.http_method.as_deref()? {
            "ANY" => work.call.http_method.as_str(),
            method => method,
        };
        return match (method, key.is_empty()) {
            ("GET", false) => Some(ApiCall::new("s3", "GetObject", place)),
            ("HEAD", false) => Some(ApiCall::new("s3", "HeadObject", place)),
            ("DELETE", false) => Some(ApiCall::new("s3", "DeleteObject", place)),
            ("PUT", false) => {
                let mut input = place;
                input["Body"] = STANDARD.encode(&asked.body).into();
                input["ContentType"] = work.call.content_type().into();
                Some(ApiCall::new("s3", "PutObject", input))
            }
            ("GET", true) => Some(ApiCall::new("s3", "ListObjectsV2", json!({ "Bucket": bucket }))),
            _ => None,
        };
    }
    let target = asked
        .mapped
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
    let body = String::from_utf8_lossy(&asked.body);
    let named = target
        .and_then(|(_, target)| target.split('.').next_back())
        .map(str::to_owned);
    let in_form = form(&body).get("Action").and_then(Value::as_str).map(str::to_owned);
    let in_query = asked
        .mapped
        .query
        .iter()
        .find(|(name, _)| name == "Action")
        .map(|(_, action)| action.clone());
    let operation = named.or(in_form).or(in_query)?;
    let mut input = input(asked);
    if service == "sqs"
        && let Some((account, queue)) = path.split_once('/')
        && input["QueueUrl"].is_null()
    {
        let region = work.compiled.scope.region.as_str();
        input["QueueUrl"] = format!("http://sqs.{region}.localhost/{account}/{queue}").into();
    }
    if let Value::Object(members) = &mut input {
        members.shift_remove("#attributes");
    }
    Some(ApiCall::new(service, operation, input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_query_services_become_inputs() {
        let members = form(
            "Action=SendMessage&MessageBody=%7B%7D&MessageAttribute.1.Name=agent&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=x",
        );
        assert_eq!(members["MessageBody"], "{}");
        assert_eq!(
            members["MessageAttributes"]["agent"],
            json!({ "DataType": "String", "StringValue": "x" })
        );
    }
}
