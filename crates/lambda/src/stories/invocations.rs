use super::{Stage, context, refusal, request};
use crate::names::FunctionRef;
use crate::shapes::*;
use crate::{Error, aliases, concurrency, event_invoke_config, functions, invoke, keys, streaming, versions};
use bytes::Bytes;
use danbi_core::{InvocationType, InvokeRequest, Invoker, ServiceError};
use danbi_store::Direction;
use futures_util::StreamExt;
use std::time::Duration;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

async fn call(stage: &Stage, name: &str, kind: &str, payload: &'static str) -> Result<InvocationResponse, Error> {
    let input = InvocationRequest {
        function_name: name.into(),
        invocation_type: Some(kind.into()),
        payload: Some(Bytes::from_static(payload.as_bytes()).into()),
        ..Default::default()
    };
    invoke::invoke(stage.lambda.clone(), context(), input).await
}

async fn wait_until_queue_is_empty(stage: &Stage) {
    let empty = async {
        loop {
            let view = stage.lambda.snapshot().await.unwrap();
            if view
                .scan(keys::below(&keys::all_due()), Direction::Forward, 1)
                .await
                .unwrap()
                .entries
                .is_empty()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), empty)
        .await
        .expect("the queue to empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_and_fails() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let answer = call(&stage, "f", "RequestResponse", "{\"a\":1}").await.unwrap();
    assert_eq!(
        (answer.status_code, answer.executed_version.as_deref()),
        (Some(200), Some("$LATEST"))
    );
    assert_eq!(answer.payload.unwrap().as_ref(), b"{\"a\":1}");
    let (spec, invocation) = stage.next().await;
    assert_eq!(invocation.invoked_arn, ARN);
    assert_eq!(spec.function_arn.to_string(), format!("{ARN}:$LATEST"));
    assert!(spec.code_dir.join("index.py").is_file());

    stage.says("{\"errorMessage\":\"x\"}", Some("Unhandled"));
    let answer = call(&stage, "f", "RequestResponse", "{}").await.unwrap();
    assert_eq!(answer.function_error.as_deref(), Some("Unhandled"));
    assert_eq!(call(&stage, "f", "DryRun", "{}").await.unwrap().status_code, Some(204));
    assert_eq!(
        refusal(call(&stage, "none", "RequestResponse", "{}").await),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none"
    );
    assert_eq!(
        refusal(call(&stage, "f:7", "DryRun", "{}").await),
        format!("Function not found: {ARN}:7")
    );
    assert!(
        refusal(call(&stage, "f", "RequestResponse", "no json").await)
            .starts_with("Could not parse request body into json:")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_kept_by_changes_that_do_not_concern_it() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let revision = async |stage: &mut Stage| {
        call(stage, "f", "RequestResponse", "{}").await.unwrap();
        stage.next().await.0.revision.clone()
    };
    let first = revision(&mut stage).await;
    let tag = TagResourceRequest {
        resource: ARN.into(),
        tags: [("k".into(), "v".into())].into(),
    };
    crate::tags::tag(stage.lambda.clone(), context(), tag).await.unwrap();
    assert_eq!(revision(&mut stage).await, first);
    let update = UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        timeout: Some(9),
        ..Default::default()
    };
    functions::update_configuration(stage.lambda.clone(), context(), update)
        .await
        .unwrap();
    assert_ne!(revision(&mut stage).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_shares_its_events_out_by_weight() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let lambda = || stage.lambda.clone();
    let publish = PublishVersionRequest {
        function_name: "f".into(),
        ..Default::default()
    };
    versions::publish(lambda(), context(), publish.clone()).await.unwrap();
    let update = UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        timeout: Some(9),
        ..Default::default()
    };
    functions::update_configuration(lambda(), context(), update)
        .await
        .unwrap();
    versions::publish(lambda(), context(), publish).await.unwrap();
    let weights = AliasRoutingConfiguration {
        additional_version_weights: Some([("2".into(), 0.5)].into()),
    };
    let alias = CreateAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
        function_version: "1".into(),
        routing_config: Some(weights),
        ..Default::default()
    };
    aliases::create(lambda(), context(), alias).await.unwrap();
    let mut counts = [0, 0];
    for _ in 0..200 {
        match call(&stage, "f:live", "RequestResponse", "{}")
            .await
            .unwrap()
            .executed_version
            .as_deref()
        {
            Some("1") => counts[0] += 1,
            Some("2") => counts[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    // Fewer than 50 of 200 fair throws happen once in 10^12 runs.
    assert!(counts.iter().all(|count| *count >= 50), "{counts:?}");
    assert_eq!(stage.next().await.1.invoked_arn, format!("{ARN}:live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_at_once_than_may() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let reserve = async |count| {
        let input = PutFunctionConcurrencyRequest {
            function_name: "f".into(),
            reserved_concurrent_executions: count,
        };
        concurrency::put_reserved(stage.lambda.clone(), context(), input).await
    };
    assert_eq!(
        refusal(reserve(101).await),
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
    );
    reserve(1).await.unwrap();
    stage.actor.gate.forget_permits(usize::MAX);
    let held = tokio::spawn({
        let lambda = stage.lambda.clone();
        let input = InvocationRequest {
            function_name: "f".into(),
            ..Default::default()
        };
        invoke::invoke(lambda, context(), input)
    });
    stage.next().await;
    let error = ServiceError::from(call(&stage, "f", "RequestResponse", "{}").await.unwrap_err());
    assert_eq!((error.status, error.message.as_str()), (429, "Rate Exceeded."));
    assert_eq!(
        error.members["Reason"],
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    );
    stage.actor.gate.add_permits(1);
    held.await.unwrap().unwrap();
    assert!(call(&stage, "f", "RequestResponse", "{}").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_event_is_run_again_after_failures_and_then_reported() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    stage.create("sink").await.unwrap();
    let sink = ARN.replace(":function:f", ":function:sink");
    let destination_config = DestinationConfig {
        on_failure: Some(OnFailure {
            destination: Some(sink.clone()),
        }),
        on_success: None,
    };
    let config = PutFunctionEventInvokeConfigRequest {
        function_name: "f".into(),
        destination_config: Some(destination_config),
        ..Default::default()
    };
    event_invoke_config::put_config(stage.lambda.clone(), context(), config)
        .await
        .unwrap();
    for _ in 0..3 {
        stage.says("{\"errorType\":\"E\"}", Some("Unhandled"));
    }
    let accepted = call(&stage, "f", "Event", "{\"n\": 1}").await.unwrap();
    assert_eq!((accepted.status_code, accepted.payload), (Some(202), None));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (spec, invocation) = stage.next().await;
        assert_eq!(
            (spec.name.as_str(), invocation.payload.as_ref()),
            ("f", &b"{\"n\": 1}"[..])
        );
        ids.push(invocation.request_id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one id for all attempts");
    let (spec, invocation) = stage.next().await;
    assert_eq!(spec.name, "sink");
    let record: serde_json::Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestContext"]["functionArn"], format!("{ARN}:$LATEST"));
    assert_eq!(record["responsePayload"]["errorType"], "E");
    wait_until_queue_is_empty(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_event_survives_a_crash_in_the_middle_of_its_run() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    stage.actor.gate.forget_permits(usize::MAX);
    // Larger than a record holds, so that its payload is a blob.
    let large: &'static str = Box::leak(format!("\"{}\"", "x".repeat(100_000)).into_boxed_str());
    call(&stage, "f", "Event", large).await.unwrap();
    let (_, first) = stage.next().await;
    let mut stage = stage.crash().await;
    let (_, again) = stage.next().await;
    assert_eq!((again.request_id, again.payload), (first.request_id, first.payload));
    wait_until_queue_is_empty(&stage).await;
    // Nothing uses the payload's blob any more; the function's code is still used.
    let uses = stage
        .lambda
        .snapshot()
        .await
        .unwrap()
        .scan(keys::below(&keys::all_blob_uses()), Direction::Forward, 10)
        .await;
    assert_eq!(uses.unwrap().entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_concurrency_waits_and_one_without_any_is_not_tried() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let reserve = async |count| {
        let input = PutFunctionConcurrencyRequest {
            function_name: "f".into(),
            reserved_concurrent_executions: count,
        };
        concurrency::put_reserved(stage.lambda.clone(), context(), input)
            .await
            .unwrap();
    };
    reserve(0).await;
    call(&stage, "f", "Event", "1").await.unwrap();
    wait_until_queue_is_empty(&stage).await;
    reserve(1).await;
    stage.actor.gate.forget_permits(usize::MAX);
    call(&stage, "f", "Event", "2").await.unwrap();
    call(&stage, "f", "Event", "3").await.unwrap();
    let (_, running) = stage.next().await;
    stage.actor.gate.add_permits(2);
    let (_, waited) = stage.next().await;
    let mut both = [running.payload, waited.payload];
    both.sort();
    assert_eq!(both, ["2", "3"]);
    wait_until_queue_is_empty(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_deleted_function_are_never_run() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    stage.says("{}", Some("Unhandled"));
    call(&stage, "f", "Event", "1").await.unwrap();
    stage.next().await;
    let input = DeleteFunctionRequest {
        function_name: "f".into(),
        qualifier: None,
    };
    functions::delete(stage.lambda.clone(), context(), input).await.unwrap();
    stage
        .create_with(CreateFunctionRequest {
            function_name: "f".into(),
            ..request()
        })
        .await
        .unwrap();
    wait_until_queue_is_empty(&stage).await;
    call(&stage, "f", "RequestResponse", "\"new\"").await.unwrap();
    assert_eq!(stage.next().await.1.payload, "\"new\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_are_checked_in_the_words_of_aws() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let put = async |destination: &str| {
        let on = OnSuccess {
            destination: Some(destination.into()),
        };
        let config = PutFunctionEventInvokeConfigRequest {
            function_name: "f".into(),
            destination_config: Some(DestinationConfig {
                on_success: Some(on),
                on_failure: None,
            }),
            ..Default::default()
        };
        event_invoke_config::put_config(stage.lambda.clone(), context(), config).await
    };
    assert_eq!(
        refusal(put(ARN).await),
        "You can't specify the function as a destination for itself."
    );
    let missing = ARN.replace(":function:f", ":function:none");
    assert_eq!(
        refusal(put(&missing).await),
        format!("The destination ARN {missing} is invalid.")
    );
    let iam = "arn:aws:iam:us-east-1:000000000000:function:f";
    assert_eq!(
        refusal(put(iam).await),
        format!(
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={iam}), onFailure=null) is invalid."
        )
    );
    assert!(refusal(put("arn:aws:sqs:us-east-1:000000000000:q").await).contains("destinations of sqs are not built"));
    let get = GetFunctionEventInvokeConfigRequest {
        function_name: "f".into(),
        qualifier: None,
    };
    assert_eq!(
        refusal(event_invoke_config::get(stage.lambda.clone(), context(), get).await),
        format!("The function {ARN}:$LATEST doesn't have an EventInvokeConfig")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_comes_in_pieces_and_ends() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let input = InvokeWithResponseStreamRequest {
        function_name: "f".into(),
        payload: Some(Bytes::from_static(b"1").into()),
        ..Default::default()
    };
    let (head, events) = streaming::invoke(stage.lambda.clone(), context(), input).await.unwrap();
    assert_eq!(
        (head.status_code, head.executed_version.as_deref()),
        (Some(200), Some("$LATEST"))
    );
    let events: Vec<_> = events.map(Result::unwrap).collect().await;
    let chunk = |event: &InvokeWithResponseStreamResponseEvent| match event {
        InvokeWithResponseStreamResponseEvent::PayloadChunk(update) => update.payload.clone().unwrap().0,
        InvokeWithResponseStreamResponseEvent::InvokeComplete(_) => Bytes::new(),
    };
    assert!(chunk(&events[0]).ends_with(&[0; 8]));
    assert_eq!(chunk(&events[1]), "1");
    assert!(
        matches!(&events[2], InvokeWithResponseStreamResponseEvent::InvokeComplete(end) if end.error_code.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_services_invoke_in_the_callers_name() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let function = FunctionRef::parse(&context().scope, "f", None).unwrap().arn();
    let request = |invocation_type| InvokeRequest {
        function: function.clone(),
        invocation_type,
        payload: Bytes::from_static(b"5"),
        trace_id: None,
    };
    let answer = Invoker::invoke(&*stage.lambda, &context(), request(InvocationType::RequestResponse))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.payload.as_ref()), (200, &b"5"[..]));
    assert_eq!(
        Invoker::invoke(&*stage.lambda, &context(), request(InvocationType::Event))
            .await
            .unwrap()
            .status,
        202
    );
    let stranger = danbi_core::RequestContext {
        principal: danbi_core::Principal::Anonymous,
        ..context()
    };
    let refused = Invoker::invoke(&*stage.lambda, &stranger, request(InvocationType::DryRun))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
}
