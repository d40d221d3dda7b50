use super::*;

/// `key` of every version and marker, newest first, as `id-or-marker*` where `*` is the latest.
async fn history(stage: &Stage, key: &str) -> Vec<(String, bool, bool)> {
    let input = ListObjectVersionsRequest {
        bucket: BUCKET.into(),
        prefix: Some(key.into()),
        ..ListObjectVersionsRequest::default()
    };
    let output = crate::listing::versions::list_versions(stage.s3.clone(), context(), input)
        .await
        .unwrap();
    let versions = output.versions.unwrap_or_default().into_iter();
    let markers = output.delete_markers.unwrap_or_default().into_iter();
    versions
        .map(|one| (one.version_id.unwrap(), false, one.is_latest == Some(true)))
        .chain(markers.map(|one| (one.version_id.unwrap(), true, one.is_latest == Some(true))))
        .collect()
}

#[tokio::test]
async fn versions_stay_and_a_delete_marker_hides_them() {
    let stage = Stage::open().await;
    stage.put("k", "before").await.unwrap();
    stage.versioning("Enabled").await;
    let one = stage.put("k", "one").await.unwrap().version_id.unwrap();
    let two = stage.put("k", "two").await.unwrap().version_id.unwrap();
    assert_eq!(one.len(), 32);
    assert_eq!(stage.get("k").await.unwrap(), "two");
    assert_eq!(stage.get_version("k", &one).await.unwrap(), "one");
    assert_eq!(stage.get_version("k", "null").await.unwrap(), "before");

    let deleted = stage.delete("k", None).await.unwrap();
    assert_eq!(deleted.delete_marker, Some(true));
    let marker = deleted.version_id.unwrap();
    let Err(Error::Answer(gone)) = stage.get("k").await else {
        panic!("hidden")
    };
    assert_eq!((gone.code, gone.status), ("NoSuchKey", 404));
    assert!(gone.headers().contains(&("x-amz-delete-marker", "true".into())));
    assert_eq!(code(stage.get_version("k", &marker).await), "MethodNotAllowed");
    assert_eq!(
        history(&stage, "k").await,
        [
            (two.clone(), false, false),
            (one.clone(), false, false),
            ("null".into(), false, false),
            (marker.clone(), true, true)
        ]
    );

    let unhidden = stage.delete("k", Some(&marker)).await.unwrap();
    assert_eq!(
        (unhidden.delete_marker, unhidden.version_id),
        (Some(true), Some(marker))
    );
    assert_eq!(stage.get("k").await.unwrap(), "two");
    stage.delete("k", Some(&two)).await.unwrap();
    assert_eq!(stage.get("k").await.unwrap(), "one");
    assert_eq!(code(stage.get_version("k", &two).await), "NoSuchVersion");
    assert_eq!(code(stage.get_version("k", "nonsense").await), "InvalidArgument");
    stage.delete("k", Some(&one)).await.unwrap();
    stage.delete("k", Some("null")).await.unwrap();
    assert_eq!(history(&stage, "k").await, []);
}

#[tokio::test]
async fn a_suspended_bucket_has_one_null_version() {
    let stage = Stage::open().await;
    stage.put("k", "first").await.unwrap();
    stage.versioning("Enabled").await;
    let kept = stage.put("k", "kept").await.unwrap().version_id.unwrap();
    stage.versioning("Suspended").await;
    let put = stage.put("k", "second").await.unwrap();
    assert_eq!(put.version_id, None, "as AWS answers");
    assert_eq!(
        history(&stage, "k").await,
        [("null".into(), false, true), (kept.clone(), false, false)],
        "the old null version was replaced"
    );
    let deleted = stage.delete("k", None).await.unwrap();
    assert_eq!(deleted.version_id.as_deref(), Some("null"));
    assert_eq!(
        history(&stage, "k").await,
        [(kept.clone(), false, false), ("null".into(), true, true)]
    );
    stage.put("k", "third").await.unwrap();
    assert_eq!(stage.get("k").await.unwrap(), "third");
    stage.versioning("Enabled").await;
    stage.put("k", "fourth").await.unwrap();
    assert_eq!(stage.get_version("k", "null").await.unwrap(), "third");
    stage.delete("k", Some("null")).await.unwrap();
    assert_eq!(code(stage.get_version("k", "null").await), "NoSuchVersion");
    assert_eq!(stage.get("k").await.unwrap(), "fourth");
}
