//! InvokeWithResponseStream.

use crate::invoke::Admitted;
use crate::lambda::Lambda;
use crate::names::FunctionRef;
use crate::shapes::{
    InvokeResponseStreamUpdate, InvokeWithResponseStreamCompleteEvent, InvokeWithResponseStreamRequest,
    InvokeWithResponseStreamResponse, InvokeWithResponseStreamResponseEvent as Event,
};
use crate::{Error, payload};
use base64::Engine;
use bytes::{BufMut, Bytes, BytesMut};
use danbi_core::{Body, RequestContext};
use danbi_runtime::{Invocation, StreamEnd};
use danbi_wire::EventStream;
use futures_util::stream;
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What separates the prelude of an HTTP answer from its body.
pub(crate) const PRELUDE_END: [u8; 8] = [0; 8];

/// Where a stream is.
enum Stage {
    Prelude(Bytes, Rest),
    Body(Rest),
    Over,
}

/// What is still to come; holds the leave to run until the end.
struct Rest {
    body: Body,
    end: oneshot::Receiver<StreamEnd>,
    _admitted: Admitted,
}

/// InvokeWithResponseStream.
pub(crate) async fn invoke(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: InvokeWithResponseStreamRequest,
) -> Result<(InvokeWithResponseStreamResponse, EventStream<Event>), Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let invocation = Invocation {
        request_id: context.request_id.to_string(),
        client_context: payload::client_context(input.client_context.as_deref())?,
        payload: payload::synchronous(input.payload.map(Bytes::from))?,
        invoked_arn: reference.arn().to_string(),
        log_tail: input.log_type.as_deref() == Some("Tail"),
        ..Invocation::default()
    };
    if input.invocation_type.as_deref() == Some("DryRun") {
        crate::lambda::resolve(&lambda.snapshot().await?, &reference).await?;
        let answer = InvokeWithResponseStreamResponse {
            status_code: Some(204),
            ..Default::default()
        };
        return Ok((answer, Box::pin(stream::empty())));
    }
    let admitted = lambda.admit(&reference).await?;
    let streaming = lambda
        .executor
        .invoke_streaming(admitted.spec.clone(), invocation)
        .await?;
    let answer = InvokeWithResponseStreamResponse {
        executed_version: Some(admitted.spec.version.clone()),
        response_stream_content_type: Some(streaming.content_type),
        status_code: Some(200),
    };
    let rest = Rest {
        body: streaming.body,
        end: streaming.end,
        _admitted: admitted,
    };
    let first = match streaming.prelude {
        Some(prelude) => Stage::Prelude(prelude, rest),
        None => Stage::Body(rest),
    };
    Ok((answer, Box::pin(stream::unfold(first, next))))
}

async fn next(stage: Stage) -> Option<(Result<Event, danbi_core::ServiceError>, Stage)> {
    let chunk = |bytes: Bytes| {
        Ok(Event::PayloadChunk(InvokeResponseStreamUpdate {
            payload: Some(bytes.into()),
        }))
    };
    let mut rest = match stage {
        Stage::Prelude(prelude, rest) => {
            let mut bytes = BytesMut::with_capacity(prelude.len() + PRELUDE_END.len());
            bytes.put(prelude);
            bytes.put_slice(&PRELUDE_END);
            return Some((chunk(bytes.freeze()), Stage::Body(rest)));
        }
        Stage::Body(rest) => rest,
        Stage::Over => return None,
    };
    // A body that broke off has its reason in `end`.
    while let Some(Ok(frame)) = rest.body.frame().await {
        match frame.into_data() {
            Ok(data) if !data.is_empty() => return Some((chunk(data), Stage::Body(rest))),
            _ => {}
        }
    }
    let end = rest.end.await.unwrap_or_else(|_| StreamEnd {
        error_code: Some("Runtime.ExitError".into()),
        error_details: Some("The execution environment ended before the answer was complete.".into()),
        ..StreamEnd::default()
    });
    let complete = InvokeWithResponseStreamCompleteEvent {
        error_code: end.error_code,
        error_details: end.error_details,
        log_result: end
            .log_tail
            .map(|tail| base64::engine::general_purpose::STANDARD.encode(tail)),
    };
    Some((Ok(Event::InvokeComplete(complete)), Stage::Over))
}
