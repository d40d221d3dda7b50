//! `application/vnd.amazon.eventstream`: events as frames with checksums.
//!
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use super::xml::XmlWriter;
use super::{ErrorContext, Members, Protocol, json};
use crate::EventStream;
use crate::model::{Kind, Member, Model, Structure};
use crate::value::Value;
use bytes::Bytes;
use danbi_core::{Body, RequestId, ServiceError};
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

/// The content type of an event stream.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// One frame: string headers and a payload.
pub(super) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut header_bytes = Vec::new();
    for (name, value) in headers {
        // Names and values are ours and the model's; longer ones are cut rather than break the framing.
        let (name, value) = (
            &name.as_bytes()[..name.len().min(255)],
            &value.as_bytes()[..value.len().min(32_767)],
        );
        header_bytes.push(name.len() as u8);
        header_bytes.extend_from_slice(name);
        header_bytes.push(7);
        header_bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        header_bytes.extend_from_slice(value);
    }
    let total = 12 + header_bytes.len() + payload.len() + 4;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&(header_bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&header_bytes);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.into()
}

/// The frame of one event of the union `events`.
fn event_frame(model: &Model, events: &Structure, protocol: Protocol, event: &Value) -> Option<Bytes> {
    let Value::Map(entries) = event else { return None };
    let (name, value) = entries.first()?;
    let member = events.members.iter().find(|member| member.name == *name)?;
    let Kind::Structure(structure) = &model.shape(member.shape).kind else {
        return None;
    };
    let mut headers = vec![
        (":message-type", "event".to_owned()),
        (":event-type", member.wire_name().to_owned()),
    ];
    for header in structure.members.iter().filter(|member| member.event_header) {
        if let Some(text) = value.get(&header.name).and_then(Value::as_str) {
            headers.push((header.wire_name(), text.to_owned()));
        }
    }
    let payload = structure.members.iter().find(|member| member.event_payload);
    let (content_type, payload) = match payload.map(|payload| (payload, value.get(&payload.name))) {
        Some((_, Some(Value::Blob(bytes)))) => ("application/octet-stream", bytes.clone()),
        Some((_, Some(Value::String(text)))) => ("text/plain", Bytes::from(text.clone())),
        Some((payload, Some(value))) if protocol == Protocol::RestXml => {
            ("text/xml", xml_payload(model, payload, value))
        }
        Some((payload, Some(value))) => (
            "application/json",
            json::encode(model, payload, Members::All, value).into(),
        ),
        Some((_, None)) => ("application/octet-stream", Bytes::new()),
        // Events of XML protocols carry nothing but their payload (`End`, `Cont` of S3 Select).
        None if protocol == Protocol::RestXml => ("text/xml", Bytes::new()),
        None => (
            "application/json",
            json::encode(model, member, Members::All, value).into(),
        ),
    };
    headers.push((":content-type", content_type.to_owned()));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Some(frame(&headers, &payload))
}

/// A payload as a document of its own, named as its shape is (`Stats`, `Progress` of S3 Select).
fn xml_payload(model: &Model, payload: &Member, value: &Value) -> Bytes {
    let mut writer = XmlWriter::declared(model);
    writer.element(&payload.shape_name, payload, Members::All, value);
    writer.finish().into()
}

/// The frame that ends a stream with an error: an exception when the union models it, else an unmodelled error.
fn error_frame(
    model: &Model,
    events: Option<&Structure>,
    protocol: Protocol,
    request_id: &str,
    error: &ServiceError,
) -> Bytes {
    let modelled = events.and_then(|events| events.members.iter().find(|member| member.shape_name == error.code));
    let Some(member) = modelled else {
        let headers = [
            (":message-type", "error"),
            (":error-code", error.code),
            (":error-message", &error.message),
        ];
        return frame(&headers, &[]);
    };
    let context = ErrorContext {
        model: Some(model),
        protocol,
        request_id,
        query_mode: false,
    };
    let encoded = context.encode(error);
    let kind = member.wire_name();
    let headers = [
        (":message-type", "exception"),
        (":exception-type", kind),
        (":content-type", "application/json"),
    ];
    frame(&headers, &encoded.body)
}

/// The body that sends `events` as they come. Protocols without HTTP bindings send the output's other members first.
pub(crate) fn event_body(
    model: &'static Model,
    output: &'static Structure,
    protocol: Protocol,
    request_id: RequestId,
    initial: Option<Vec<u8>>,
    events: EventStream<Value>,
) -> Body {
    let union = output
        .members
        .iter()
        .find_map(|member| match &model.shape(member.shape).kind {
            Kind::Structure(structure) if structure.event_stream => Some(structure),
            _ => None,
        });
    let first = initial.map(|body| {
        let headers = [
            (":message-type", "event"),
            (":event-type", "initial-response"),
            (":content-type", "application/json"),
        ];
        frame(&headers, &body)
    });
    // An error ends the stream: `scan` drops what would come behind it.
    let frames = events.scan(false, move |ended, event| {
        let frame = match event {
            _ if *ended => None,
            Ok(event) => Some(
                union
                    .and_then(|union| event_frame(model, union, protocol, &event))
                    .unwrap_or_default(),
            ),
            Err(error) => {
                *ended = true;
                Some(error_frame(model, union, protocol, &request_id.to_string(), &error))
            }
        };
        std::future::ready(frame)
    });
    let all = futures_util::stream::iter(first)
        .chain(frames)
        .map(|bytes| Ok(Frame::data(bytes)));
    BodyExt::boxed_unsync(StreamBody::new(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_rest_xml_is_a_document() {
        let model = crate::models::S3.get();
        let output = model
            .operation("SelectObjectContent")
            .and_then(|operation| operation.output.as_ref())
            .unwrap();
        let union = model
            .structure(output)
            .unwrap()
            .members
            .iter()
            .find_map(|member| model.structure(member));
        let details = Value::Map(vec![("BytesScanned".into(), Value::Integer(5))]);
        let event = Value::Map(vec![("Stats".into(), Value::Map(vec![("Details".into(), details)]))]);
        let frame = event_frame(model, union.unwrap(), Protocol::RestXml, &event).unwrap();
        let text = String::from_utf8_lossy(&frame);
        assert!(
            text.contains("text/xml") && text.contains("<Stats><BytesScanned>5</BytesScanned></Stats>"),
            "{text}"
        );
    }

    #[test]
    fn an_error_is_an_exception_where_the_union_models_it() {
        let model = crate::models::LOGS.get();
        let output = model
            .operation("StartLiveTail")
            .and_then(|operation| operation.output.as_ref())
            .unwrap();
        let union = model
            .structure(output)
            .unwrap()
            .members
            .iter()
            .find_map(|member| model.structure(member))
            .unwrap();
        let text = |code| {
            let error = ServiceError::client(code, 400, "why");
            let frame = error_frame(model, Some(union), Protocol::Json11, "id", &error);
            String::from_utf8_lossy(&frame).into_owned()
        };
        let timeout = text("SessionTimeoutException");
        assert!(
            timeout.contains("exception-type") && timeout.contains("SessionTimeoutException"),
            "{timeout:?}"
        );
        let other = text("InternalFailure");
        assert!(other.contains(":error-code") && other.contains("why"), "{other:?}");
    }

    #[test]
    fn a_frame_carries_its_lengths_and_checksums() {
        let frame = frame(&[(":message-type", "event")], b"payload");
        let word = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        assert_eq!(word(0) as usize, frame.len());
        assert_eq!(word(4) as usize, 1 + 13 + 1 + 2 + 5);
        assert_eq!(word(8), crc32fast::hash(&frame[..8]));
        assert_eq!(word(frame.len() - 4), crc32fast::hash(&frame[..frame.len() - 4]));
    }
}
