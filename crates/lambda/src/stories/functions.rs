use super::{Stage, context, refusal, request};
use crate::shapes::*;
use crate::{aliases, concurrency, functions, layers, permissions, tags, versions};
use danbi_core::ResourcePolicySource;
use danbi_store::Direction;
use std::collections::BTreeMap;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

async fn get(stage: &Stage, name: &str) -> Result<GetFunctionResponse, crate::Error> {
    let input = GetFunctionRequest {
        function_name: name.into(),
        qualifier: None,
    };
    functions::get(stage.lambda.clone(), context(), input).await
}

async fn configure(
    stage: &Stage,
    input: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, crate::Error> {
    let input = UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        ..input
    };
    functions::update_configuration(stage.lambda.clone(), context(), input).await
}

async fn publish(stage: &Stage) -> FunctionConfiguration {
    let input = PublishVersionRequest {
        function_name: "f".into(),
        ..Default::default()
    };
    versions::publish(stage.lambda.clone(), context(), input).await.unwrap()
}

fn described(text: &str) -> UpdateFunctionConfigurationRequest {
    UpdateFunctionConfigurationRequest {
        description: Some(text.into()),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_read_changed_and_removed() {
    let stage = Stage::open().await;
    let created = stage.create("f").await.unwrap();
    assert_eq!(
        (created.state.as_deref(), created.state_reason_code.as_deref()),
        (Some("Pending"), Some("Creating"))
    );
    assert_eq!(created.last_update_status, None);
    assert_eq!(refusal(stage.create("f").await), "Function already exist: f");

    let shown = get(&stage, "f").await.unwrap();
    let configuration = shown.configuration.unwrap();
    assert_eq!(configuration.state.as_deref(), Some("Active"));
    assert_eq!(configuration.last_update_status.as_deref(), Some("Successful"));
    assert_ne!(configuration.revision_id, created.revision_id);
    let location = shown.code.unwrap().location.unwrap();
    let (download, ()) = http::Request::get(location).body(()).unwrap().into_parts();
    assert_eq!(stage.lambda.downloads().serve(&download).await.status(), 200);

    let updated = configure(
        &stage,
        UpdateFunctionConfigurationRequest {
            timeout: Some(10),
            ..described("new")
        },
    )
    .await
    .unwrap();
    assert_eq!((updated.timeout, updated.state.as_deref()), (Some(10), Some("Active")));
    assert_eq!(updated.last_update_status.as_deref(), Some("InProgress"));
    let stale = UpdateFunctionConfigurationRequest {
        revision_id: created.revision_id,
        ..described("x")
    };
    assert!(refusal(configure(&stage, stale).await).contains("Call the GetFunction/GetAlias API"));

    let delete = |qualifier: Option<&str>| {
        let input = DeleteFunctionRequest {
            function_name: "f".into(),
            qualifier: qualifier.map(Into::into),
        };
        functions::delete(stage.lambda.clone(), context(), input)
    };
    assert_eq!(
        refusal(delete(Some("$LATEST")).await),
        "$LATEST version cannot be deleted without deleting the function."
    );
    assert_eq!(
        refusal(delete(Some("live")).await),
        "Deletion of aliases is not currently supported."
    );
    assert_eq!(delete(None).await.unwrap().status_code, Some(204));
    assert_eq!(refusal(delete(None).await), format!("Function not found: {ARN}"));
    assert_eq!(
        refusal(get(&stage, "f:1").await),
        format!("Function not found: {ARN}:1")
    );
    assert!(stage.actor.retired.lock().unwrap().contains(&ARN.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_function_is_left() {
    let stage = Stage::open().await;
    let everything = async |stage: &Stage| {
        let all = danbi_store::KeyRange::prefix(danbi_store::key::KeyBuilder::new().str("lambda").build());
        let page = stage
            .lambda
            .snapshot()
            .await
            .unwrap()
            .scan(all, Direction::Forward, 1000)
            .await
            .unwrap();
        page.entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let before = everything(&stage).await;
    let tags = BTreeMap::from([("danbi:app".into(), "f".into())]);
    let input = CreateFunctionRequest {
        function_name: "f".into(),
        tags: Some(tags),
        publish: Some(true),
        ..request()
    };
    assert_eq!(stage.create_with(input).await.unwrap().version.as_deref(), Some("1"));
    let lambda = || stage.lambda.clone();
    let alias = CreateAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
        function_version: "1".into(),
        ..Default::default()
    };
    aliases::create(lambda(), context(), alias).await.unwrap();
    let url = CreateFunctionUrlConfigRequest {
        function_name: "f".into(),
        qualifier: Some("live".into()),
        auth_type: "NONE".into(),
        ..Default::default()
    };
    crate::url_configs::create(lambda(), context(), url).await.unwrap();
    let grant = AddPermissionRequest {
        function_name: "f:live".into(),
        statement_id: "s".into(),
        action: "lambda:InvokeFunction".into(),
        principal: "*".into(),
        ..Default::default()
    };
    permissions::add(lambda(), context(), grant).await.unwrap();
    let reserve = PutFunctionConcurrencyRequest {
        function_name: "f".into(),
        reserved_concurrent_executions: 0,
    };
    concurrency::put_reserved(lambda(), context(), reserve).await.unwrap();
    assert!(everything(&stage).await.len() > before.len() + 8);
    let input = DeleteFunctionRequest {
        function_name: "f".into(),
        qualifier: None,
    };
    functions::delete(lambda(), context(), input).await.unwrap();
    let mut after = everything(&stage).await;
    after.retain(|key| !before.contains(key));
    // The account's counters stay, at nought.
    assert_eq!(after, [crate::keys::usage(&context().scope)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_once_for_each_change() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let first = publish(&stage).await;
    assert_eq!(
        (first.version.as_deref(), first.state.as_deref()),
        (Some("1"), Some("Active"))
    );
    assert_eq!(first.function_arn.as_deref(), Some(format!("{ARN}:1").as_str()));
    assert_eq!(publish(&stage).await.version.as_deref(), Some("1"));
    configure(&stage, described("two")).await.unwrap();
    assert_eq!(publish(&stage).await.version.as_deref(), Some("2"));
    let wrong = PublishVersionRequest {
        function_name: "f".into(),
        code_sha256: Some("x".into()),
        ..Default::default()
    };
    assert!(
        refusal(versions::publish(stage.lambda.clone(), context(), wrong).await)
            .starts_with("CodeSHA256 (x) is different from current")
    );

    let list = async |marker: Option<String>| {
        let input = ListVersionsByFunctionRequest {
            function_name: "f".into(),
            marker,
            max_items: Some(2),
        };
        versions::list(stage.lambda.clone(), context(), input).await.unwrap()
    };
    let labels = |page: &[FunctionConfiguration]| page.iter().map(|v| v.version.clone().unwrap()).collect::<Vec<_>>();
    let page = list(None).await;
    assert_eq!(labels(page.versions.as_ref().unwrap()), ["$LATEST", "1"]);
    assert!(page.versions.unwrap()[0].state.is_none());
    let page = list(page.next_marker).await;
    assert_eq!(
        (labels(page.versions.as_ref().unwrap()), page.next_marker),
        (vec!["2".to_owned()], None)
    );

    stage.create("g").await.unwrap();
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let input = ListFunctionsRequest {
            function_version: Some("ALL".into()),
            max_items: Some(1),
            marker,
            ..Default::default()
        };
        let page = functions::list(stage.lambda.clone(), context(), input).await.unwrap();
        all.extend(
            page.functions
                .unwrap()
                .into_iter()
                .map(|shown| shown.function_arn.unwrap()),
        );
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    let other = ARN.replace(":function:f", ":function:g");
    assert_eq!(
        all,
        [
            format!("{ARN}:$LATEST"),
            format!("{ARN}:1"),
            format!("{ARN}:2"),
            format!("{other}:$LATEST")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_refused_in_the_words_of_aws() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    publish(&stage).await;
    let create = async |version: &str, weights: &[(&str, f64)]| {
        let weights = weights
            .iter()
            .map(|(key, weight)| ((*key).to_owned(), *weight))
            .collect();
        let input = CreateAliasRequest {
            function_name: "f".into(),
            name: "custom".into(),
            function_version: version.into(),
            routing_config: Some(AliasRoutingConfiguration {
                additional_version_weights: Some(weights),
            }),
            ..Default::default()
        };
        aliases::create(stage.lambda.clone(), context(), input).await
    };
    let many = [("1", 0.1), ("2", 0.2)];
    assert_eq!(
        refusal(create("1", &many).await),
        "Number of items in AdditionalVersionWeights cannot be greater than 1"
    );
    assert_eq!(
        refusal(create("1", &[("2", 2.0)]).await),
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
    );
    assert_eq!(
        refusal(create("1", &[("$LATEST", 0.5)]).await),
        "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
    );
    assert_eq!(
        refusal(create("1", &[("1", 0.5)]).await),
        "Invalid function version 1. Function version 1 is already included in routing configuration."
    );
    assert_eq!(
        refusal(create("$LATEST", &[("1", 0.5)]).await),
        "$LATEST is not supported for an alias pointing to more than 1 version"
    );
    assert_eq!(
        refusal(create("10", &[]).await),
        format!("Function not found: {ARN}:10")
    );
    let made = create("1", &[]).await.unwrap();
    assert_eq!((made.description.as_deref(), made.routing_config), (Some(""), None));
    assert_eq!(
        refusal(create("1", &[]).await),
        format!("Alias already exists: {ARN}:custom")
    );
    let input = GetAliasRequest {
        function_name: "f".into(),
        name: "none".into(),
    };
    assert_eq!(
        refusal(aliases::get(stage.lambda.clone(), context(), input).await),
        format!("Cannot find alias arn: {ARN}:none")
    );
    let input = DeleteFunctionRequest {
        function_name: "f:1".into(),
        qualifier: None,
    };
    assert_eq!(
        refusal(functions::delete(stage.lambda.clone(), context(), input).await),
        "Unable to delete version because the following aliases reference it: [custom]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_and_its_revision_change_together() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let add = async |name: &str, revision: Option<String>| {
        let input = AddPermissionRequest {
            function_name: name.into(),
            statement_id: "s3".into(),
            action: "lambda:InvokeFunction".into(),
            principal: "s3.amazonaws.com".into(),
            revision_id: revision,
            ..Default::default()
        };
        permissions::add(stage.lambda.clone(), context(), input).await
    };
    assert_eq!(
        refusal(add("f:$LATEST", None).await),
        "We currently do not support adding policies for $LATEST."
    );
    assert_eq!(
        refusal(add("f:none", None).await),
        format!("Cannot find alias arn: {ARN}:none")
    );
    assert_eq!(
        refusal(add("f:42", None).await),
        format!("Function not found: {ARN}:42")
    );
    assert!(refusal(add("f", Some("old".into())).await).contains("Call the GetPolicy API"));
    add("f", None).await.unwrap();
    let input = GetPolicyRequest {
        function_name: "f".into(),
        qualifier: None,
    };
    let policy = permissions::get(stage.lambda.clone(), context(), input.clone())
        .await
        .unwrap();
    assert_eq!(
        policy.revision_id,
        get(&stage, "f").await.unwrap().configuration.unwrap().revision_id
    );
    let source = crate::ResourcePolicies::new(stage.lambda.store.clone());
    assert_eq!(
        source.resource_policy(&ARN.parse().unwrap()).await.unwrap(),
        policy.policy
    );
    let remove = async |sid: &str| {
        let input = RemovePermissionRequest {
            function_name: "f".into(),
            statement_id: sid.into(),
            ..Default::default()
        };
        permissions::remove(stage.lambda.clone(), context(), input).await
    };
    assert_eq!(
        refusal(remove("x").await),
        "Statement x is not found in resource policy."
    );
    remove("s3").await.unwrap();
    assert_eq!(
        refusal(remove("s3").await),
        "No policy is associated with the given resource."
    );
    assert_eq!(
        refusal(permissions::get(stage.lambda.clone(), context(), input).await),
        "The resource you requested does not exist."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_found_checked_and_outlive_their_deletion() {
    let stage = Stage::open().await;
    let publish = async || {
        let archive = crate::code::tests::zip(&[("python/lib.py", 0o644, b"x = 1")]);
        let content = LayerVersionContentInput {
            zip_file: Some(archive.into()),
            ..Default::default()
        };
        let input = PublishLayerVersionRequest {
            layer_name: "tools".into(),
            content,
            ..Default::default()
        };
        layers::publish(stage.lambda.clone(), context(), input)
            .await
            .unwrap()
            .layer_version_arn
            .unwrap()
    };
    let (one, two) = (publish().await, publish().await);
    let with = |arns: &[&String]| CreateFunctionRequest {
        function_name: "f".into(),
        layers: Some(arns.iter().map(|arn| (*arn).clone()).collect()),
        ..request()
    };
    assert_eq!(
        refusal(stage.create_with(with(&[&one, &two])).await),
        format!(
            "Two different versions of the same layer are not allowed to be referenced in the same function. {one} and {two} are versions of the same layer."
        )
    );
    let missing = one.replace(":1", ":9");
    assert_eq!(
        refusal(stage.create_with(with(&[&missing])).await),
        format!("Layer version {missing} does not exist.")
    );
    assert_eq!(
        refusal(stage.create_with(with(&[&one; 6])).await),
        "Cannot reference more than 5 layers."
    );
    stage.create_with(with(&[&two])).await.unwrap();
    let input = DeleteLayerVersionRequest {
        layer_name: "tools".into(),
        version_number: 2,
    };
    layers::delete(stage.lambda.clone(), context(), input).await.unwrap();
    assert_eq!(
        get(&stage, "f").await.unwrap().configuration.unwrap().layers.unwrap()[0]
            .arn
            .as_ref(),
        Some(&two)
    );
    let listed = layers::list_versions(
        stage.lambda.clone(),
        context(),
        ListLayerVersionsRequest {
            layer_name: "tools".into(),
            ..Default::default()
        },
    );
    assert_eq!(listed.await.unwrap().layer_versions.unwrap().len(), 1);
    assert!(publish().await.ends_with(":3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_have_a_limit_and_belong_to_functions_only() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let tag = async |resource: &str, count: usize| {
        let tags = (0..count).map(|n| (format!("{n}_key"), "v".into())).collect();
        let input = TagResourceRequest {
            resource: resource.into(),
            tags,
        };
        tags::tag(stage.lambda.clone(), context(), input).await
    };
    assert_eq!(
        refusal(tag(ARN, 51).await),
        "Number of tags exceeds resource tag limit."
    );
    assert_eq!(
        refusal(tag(ARN, 0).await),
        "An error occurred and the request cannot be processed."
    );
    assert_eq!(
        refusal(tag(&format!("{ARN}:1"), 1).await),
        "Tags on function aliases and versions are not supported. Please specify a function ARN."
    );
    assert!(
        refusal(tag("arn:aws:something", 1).await)
            .starts_with("1 validation error detected: Value 'arn:aws:something' at 'resource'")
    );
    tag(ARN, 50).await.unwrap();
    let input = ListTagsRequest { resource: ARN.into() };
    assert_eq!(
        tags::list(stage.lambda.clone(), context(), input)
            .await
            .unwrap()
            .tags
            .unwrap()
            .len(),
        50
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_was_cut_off_is_finished_after_the_restart() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let id = crate::names::FunctionRef::parse(&context().scope, "f", None)
        .unwrap()
        .id;
    // As a crash between the commit and the preparation leaves it.
    stage
        .lambda
        .store
        .transact(async |tx| {
            use crate::records::Read;
            let mut function = tx.function(&id).await?.unwrap();
            function.latest.state = crate::records::State::Pending;
            crate::records::put(&tx, &crate::keys::function(&id), &function)?;
            crate::prepare::mark(&tx, &id, &[])
        })
        .await
        .unwrap();
    let stage = stage.crash().await;
    stage.lambda.settled(&id).await.unwrap();
    assert_eq!(
        get(&stage, "f").await.unwrap().configuration.unwrap().state.as_deref(),
        Some("Active")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_acts_as_a_role_of_its_own_account_that_its_maker_may_pass() {
    let stage = Stage::open().await;
    let with_role = |role: &str| CreateFunctionRequest {
        function_name: "f".into(),
        role: role.into(),
        ..request()
    };
    let create = async |role: &str, context| functions::create(stage.lambda.clone(), context, with_role(role)).await;
    let foreign = "arn:aws:iam::111111111111:role/r";
    let refused = danbi_core::ServiceError::from(create(foreign, context()).await.unwrap_err());
    assert_eq!(
        (refused.code, refused.status, refused.message.as_str()),
        ("AccessDeniedException", 403, "Cross-account pass role is not allowed.")
    );
    assert_eq!(
        refusal(create("arn:aws:iam::000000000000:role/a/", context()).await),
        "The role defined for the function cannot be assumed by Lambda."
    );
    // The stage's gatekeeper lets everyone pass roles but those who sign nothing.
    let stranger = danbi_core::RequestContext {
        principal: danbi_core::Principal::Anonymous,
        ..context()
    };
    let own = "arn:aws:iam::000000000000:role/r";
    assert_eq!(refusal(create(own, stranger).await), "no");
    stage.create("f").await.unwrap();
    let change = UpdateFunctionConfigurationRequest {
        role: Some(foreign.into()),
        ..Default::default()
    };
    assert_eq!(
        refusal(configure(&stage, change).await),
        "Cross-account pass role is not allowed."
    );
}
