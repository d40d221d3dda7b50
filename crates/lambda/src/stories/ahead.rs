//! What is made before it is asked for: snapshots, provisioned concurrency, what was warm before a change.

use super::{Stage, context, refusal, request};
use crate::shapes::*;
use crate::{Error, account, aliases, concurrency, functions, invoke, provisioned, versions};
use danbi_runtime::{ProvisionFailure, Snapshot};
use std::time::Duration;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

async fn configure(stage: &Stage, description: &str, snap_start: Option<&str>) {
    let input = UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        description: Some(description.into()),
        snap_start: snap_start.map(|apply_on| SnapStart {
            apply_on: Some(apply_on.into()),
        }),
        ..Default::default()
    };
    functions::update_configuration(stage.lambda.clone(), context(), input)
        .await
        .unwrap();
}

async fn publish(stage: &Stage) -> FunctionConfiguration {
    let input = PublishVersionRequest {
        function_name: "f".into(),
        ..Default::default()
    };
    versions::publish(stage.lambda.clone(), context(), input).await.unwrap()
}

async fn alias(stage: &Stage, name: &str, version: &str) {
    let input = CreateAliasRequest {
        function_name: "f".into(),
        name: name.into(),
        function_version: version.into(),
        ..Default::default()
    };
    aliases::create(stage.lambda.clone(), context(), input).await.unwrap();
}

async fn point(stage: &Stage, name: &str, version: &str) {
    let input = UpdateAliasRequest {
        function_name: "f".into(),
        name: name.into(),
        function_version: Some(version.into()),
        ..Default::default()
    };
    aliases::update(stage.lambda.clone(), context(), input).await.unwrap();
}

async fn configuration(stage: &Stage, qualifier: &str) -> FunctionConfiguration {
    let input = GetFunctionConfigurationRequest {
        function_name: "f".into(),
        qualifier: Some(qualifier.into()),
    };
    functions::get_configuration(stage.lambda.clone(), context(), input)
        .await
        .unwrap()
}

fn state(shown: &FunctionConfiguration) -> (&str, &str) {
    let snap = shown.snap_start.as_ref().unwrap();
    (
        shown.state.as_deref().unwrap(),
        snap.optimization_status.as_deref().unwrap(),
    )
}

async fn settled(stage: &Stage, qualifier: &str) -> FunctionConfiguration {
    let waiting = async {
        loop {
            let shown = configuration(stage, qualifier).await;
            if shown.state.as_deref() != Some("Pending") {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("the version settles")
}

/// Waits until the executor was told to keep these.
async fn kept(stage: &Stage, expected: &[(&str, u32)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(qualifier, count)| (format!("{ARN}:{qualifier}"), *count))
        .collect();
    let waiting = async {
        while *stage.actor.kept.lock().unwrap() != expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), waiting).await.is_err() {
        panic!("kept {:?}, not {expected:?}", stage.actor.kept.lock().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_snap_start_is_pending_until_its_snapshot_is_taken() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    configure(&stage, "one", Some("PublishedVersions")).await;
    assert_eq!(state(&configuration(&stage, "$LATEST").await), ("Active", "Off"));

    stage.actor.snapshots.forget_permits(usize::MAX >> 3);
    let published = publish(&stage).await;
    assert_eq!(state(&published), ("Pending", "Off"));
    assert_eq!(published.state_reason_code.as_deref(), Some("Creating"));
    assert_eq!(state(&configuration(&stage, "1").await), ("Pending", "Off"));
    let input = InvocationRequest {
        function_name: "f".into(),
        qualifier: Some("1".into()),
        ..Default::default()
    };
    assert_eq!(
        refusal(invoke::invoke(stage.lambda.clone(), context(), input).await.map(|_| ())),
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    );

    // What was cut off is taken up again.
    let stage = stage.crash().await;
    assert_eq!(state(&settled(&stage, "1").await), ("Active", "On"));
    assert_eq!(state(&configuration(&stage, "$LATEST").await), ("Active", "Off"));

    for (says, expected, code) in [
        (Snapshot::Unfit("a thread".into()), ("Active", "Off"), None),
        (
            Snapshot::InitFailed("KeyError".into()),
            ("Failed", "Off"),
            Some("FunctionError"),
        ),
        (Snapshot::TimedOut, ("Failed", "Off"), Some("FunctionError.InitTimeout")),
    ] {
        *stage.actor.snapshot_says.lock().unwrap() = Some(says.clone());
        configure(&stage, &format!("{says:?}"), None).await;
        let number = publish(&stage).await.version.unwrap();
        let shown = settled(&stage, &number).await;
        assert_eq!(state(&shown), expected, "{says:?}");
        assert_eq!(shown.state_reason_code.as_deref(), code);
    }

    // Published with its code, it waits the same.
    *stage.actor.snapshot_says.lock().unwrap() = None;
    let code = UpdateFunctionCodeRequest {
        function_name: "f".into(),
        zip_file: Some(crate::code::tests::zip(&[("index.py", 0o644, b"def handler(e, c): return 2")]).into()),
        publish: Some(true),
        ..Default::default()
    };
    let answer = functions::update_code(stage.lambda.clone(), context(), code)
        .await
        .unwrap();
    let number = answer.version.unwrap();
    assert_eq!(state(&settled(&stage, &number).await), ("Active", "On"));
}

#[tokio::test(flavor = "multi_thread")]
async fn snap_start_is_for_runtimes_that_have_snapshots() {
    let stage = Stage::open().await;
    let refused = stage
        .create_with(CreateFunctionRequest {
            function_name: "n".into(),
            runtime: Some("nodejs22.x".into()),
            snap_start: Some(SnapStart {
                apply_on: Some("PublishedVersions".into()),
            }),
            ..request()
        })
        .await;
    assert_eq!(
        refusal(refused),
        "nodejs22.x is not supported for SnapStart enabled functions."
    );
}

async fn provision(
    stage: &Stage,
    qualifier: &str,
    count: i32,
) -> Result<PutProvisionedConcurrencyConfigResponse, Error> {
    let input = PutProvisionedConcurrencyConfigRequest {
        function_name: "f".into(),
        qualifier: qualifier.into(),
        provisioned_concurrent_executions: count,
    };
    provisioned::put_config(stage.lambda.clone(), context(), input).await
}

async fn provisioned_state(stage: &Stage, qualifier: &str) -> Result<(i32, String, Option<String>), Error> {
    let input = GetProvisionedConcurrencyConfigRequest {
        function_name: "f".into(),
        qualifier: qualifier.into(),
    };
    let shown = provisioned::get_config(stage.lambda.clone(), context(), input).await?;
    Ok((
        shown.allocated_provisioned_concurrent_executions.unwrap(),
        shown.status.unwrap(),
        shown.status_reason,
    ))
}

async fn unprovision(stage: &Stage, qualifier: &str) -> Result<(), Error> {
    let input = DeleteProvisionedConcurrencyConfigRequest {
        function_name: "f".into(),
        qualifier: qualifier.into(),
    };
    provisioned::delete_config(stage.lambda.clone(), context(), input)
        .await
        .map(|_| ())
}

async fn unreserved(stage: &Stage) -> i32 {
    let settings = account::settings(stage.lambda.clone(), context(), GetAccountSettingsRequest::default()).await;
    settings
        .unwrap()
        .account_limit
        .unwrap()
        .unreserved_concurrent_executions
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_concurrency_moves_with_its_alias_and_survives_a_crash() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    publish(&stage).await;
    configure(&stage, "two", None).await;
    publish(&stage).await;
    alias(&stage, "live", "1").await;

    let put = provision(&stage, "live", 3).await.unwrap();
    assert_eq!(put.status.as_deref(), Some("IN_PROGRESS"));
    assert_eq!(put.allocated_provisioned_concurrent_executions, Some(0));
    assert!(put.last_modified.unwrap().ends_with("+0000"));
    kept(&stage, &[("1", 3)]).await;
    assert_eq!(
        provisioned_state(&stage, "live").await.unwrap(),
        (3, "READY".into(), None)
    );
    assert_eq!(unreserved(&stage).await, 197);

    point(&stage, "live", "2").await;
    kept(&stage, &[("2", 3)]).await;
    let stage = stage.crash().await;
    kept(&stage, &[("2", 3)]).await;

    *stage.actor.fails_to_keep.lock().unwrap() = Some(ProvisionFailure::Init);
    assert_eq!(
        provisioned_state(&stage, "live").await.unwrap(),
        (0, "FAILED".into(), Some("FUNCTION_ERROR_INIT_FAILURE".into()))
    );
    *stage.actor.fails_to_keep.lock().unwrap() = None;

    let input = ListProvisionedConcurrencyConfigsRequest {
        function_name: "f".into(),
        ..Default::default()
    };
    let listed = provisioned::list_configs(stage.lambda.clone(), context(), input)
        .await
        .unwrap();
    let listed = listed.provisioned_concurrency_configs.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].function_arn, Some(format!("{ARN}:live")));

    unprovision(&stage, "live").await.unwrap();
    unprovision(&stage, "live").await.unwrap();
    kept(&stage, &[]).await;
    assert_eq!(unreserved(&stage).await, 200);
    assert_eq!(
        refusal(provisioned_state(&stage, "live").await),
        "No Provisioned Concurrency Config found for this function"
    );

    // It goes with what it is of.
    provision(&stage, "live", 2).await.unwrap();
    let input = DeleteAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
    };
    aliases::delete(stage.lambda.clone(), context(), input).await.unwrap();
    kept(&stage, &[]).await;
    assert_eq!(unreserved(&stage).await, 200);
    provision(&stage, "1", 2).await.unwrap();
    let input = DeleteFunctionRequest {
        function_name: "f".into(),
        qualifier: None,
    };
    functions::delete(stage.lambda.clone(), context(), input).await.unwrap();
    kept(&stage, &[]).await;
    assert_eq!(unreserved(&stage).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_concurrency_is_refused_in_the_words_of_aws() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    publish(&stage).await;
    alias(&stage, "live", "1").await;
    for (qualifier, expected) in [
        (
            "$LATEST",
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.".to_owned(),
        ),
        ("none", format!("Cannot find alias arn: {ARN}:none")),
        ("10", format!("Function not found: {ARN}:10")),
    ] {
        assert_eq!(refusal(provision(&stage, qualifier, 1).await), expected);
    }
    let unpublished = "The function resource provided must be an alias or a published version.";
    assert_eq!(refusal(provisioned_state(&stage, "$LATEST").await), unpublished);
    assert_eq!(refusal(unprovision(&stage, "$LATEST").await), unpublished);
    assert_eq!(
        refusal(unprovision(&stage, "none").await),
        format!("Cannot find alias arn: {ARN}:none")
    );
    assert_eq!(
        refusal(provision(&stage, "1", 201).await),
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [200]."
    );
    assert_eq!(
        refusal(provision(&stage, "1", 101).await),
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
    );

    provision(&stage, "1", 2).await.unwrap();
    assert_eq!(
        refusal(provision(&stage, "live", 1).await),
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    );
    unprovision(&stage, "1").await.unwrap();
    provision(&stage, "live", 2).await.unwrap();
    assert_eq!(
        refusal(provision(&stage, "1", 1).await),
        "Version is pointed by a Provisioned Concurrency alias"
    );

    let reserve = |count| {
        let input = PutFunctionConcurrencyRequest {
            function_name: "f".into(),
            reserved_concurrent_executions: count,
        };
        concurrency::put_reserved(stage.lambda.clone(), context(), input)
    };
    assert_eq!(
        refusal(reserve(1).await),
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    );
    reserve(2).await.unwrap();
    assert_eq!(
        unreserved(&stage).await,
        198,
        "what is provisioned is a part of what is reserved"
    );
    let too_many =
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    assert_eq!(refusal(provision(&stage, "live", 3).await), too_many);
    let latest = InvocationRequest {
        function_name: "f".into(),
        ..Default::default()
    };
    assert_eq!(
        refusal(
            invoke::invoke(stage.lambda.clone(), context(), latest)
                .await
                .map(|_| ())
        ),
        "Rate Exceeded.",
        "all that is reserved is the version's"
    );
    let version = InvocationRequest {
        function_name: "f".into(),
        qualifier: Some("live".into()),
        ..Default::default()
    };
    invoke::invoke(stage.lambda.clone(), context(), version).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_warm_is_warm_after_a_change() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    publish(&stage).await;
    alias(&stage, "live", "1").await;
    configure(&stage, "cold", None).await;
    assert!(stage.actor.anticipated.lock().unwrap().is_empty(), "it was not warm");

    let anticipated = async |expected: &str| {
        let waiting = async {
            while stage.actor.anticipated.lock().unwrap().pop().as_deref() != Some(expected) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("{expected} was not started ahead"));
    };
    *stage.actor.warm.lock().unwrap() = vec![format!("{ARN}:$LATEST")];
    configure(&stage, "warm", None).await;
    anticipated(&format!("{ARN}:$LATEST")).await;

    *stage.actor.warm.lock().unwrap() = vec![format!("{ARN}:1")];
    publish(&stage).await;
    point(&stage, "live", "2").await;
    anticipated(&format!("{ARN}:2")).await;

    // What is provisioned for is kept ahead as such.
    provision(&stage, "live", 1).await.unwrap();
    configure(&stage, "third", None).await;
    publish(&stage).await;
    *stage.actor.warm.lock().unwrap() = vec![format!("{ARN}:2"), format!("{ARN}:$LATEST")];
    stage.actor.anticipated.lock().unwrap().clear();
    point(&stage, "live", "3").await;
    configure(&stage, "fourth", None).await;
    let seen = || stage.actor.anticipated.lock().unwrap().clone();
    let something = async {
        while seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), something).await.unwrap();
    assert_eq!(seen(), [format!("{ARN}:$LATEST")]);
}
