use super::*;

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let stage = Stage::open().await;
    let put = stage.put("a/b", "hello").await.unwrap();
    assert_eq!(put.e_tag.as_deref(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(put.server_side_encryption.as_deref(), Some("AES256"));
    assert_eq!(put.version_id, None);
    let (status, output, body) = stage.get_with("a/b", GetObjectRequest::default()).await.unwrap();
    assert_eq!((status, &body[..]), (200, &b"hello"[..]));
    assert_eq!(output.content_length, Some(5));
    assert_eq!(output.content_type.as_deref(), Some("binary/octet-stream"));
    assert_eq!(output.e_tag, put.e_tag);
    assert_eq!(code(stage.get("a").await), "NoSuchKey");
    stage.put("a/b", "").await.unwrap();
    assert_eq!(stage.get("a/b").await.unwrap(), "");
}

#[tokio::test]
async fn what_comes_with_an_object_comes_back_with_it() {
    let stage = Stage::open().await;
    let request = PutObjectRequest {
        cache_control: Some("max-age=1".into()),
        content_type: Some("text/plain".into()),
        content_encoding: Some("aws-chunked,gzip".into()),
        storage_class: Some("STANDARD_IA".into()),
        tagging: Some("a=b&c=d".into()),
        metadata: Some([("Mine".to_owned(), "é".to_owned())].into()),
        ..PutObjectRequest::default()
    };
    stage.put_with("k", "x", request).await.unwrap();
    let request = GetObjectRequest {
        checksum_mode: Some("ENABLED".into()),
        response_content_type: Some("text/html".into()),
        ..GetObjectRequest::default()
    };
    let (_, output, _) = stage.get_with("k", request).await.unwrap();
    assert_eq!(output.cache_control.as_deref(), Some("max-age=1"));
    assert_eq!(output.content_type.as_deref(), Some("text/html"));
    assert_eq!(output.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(output.storage_class.as_deref(), Some("STANDARD_IA"));
    assert_eq!(output.tag_count, Some(2));
    assert_eq!(output.metadata.unwrap()["mine"], "=?UTF-8?B?w6k=?=");
    assert!(output.checksum_crc64_nvme.is_some());
    let refused = [
        PutObjectRequest {
            storage_class: Some("ICE".into()),
            ..PutObjectRequest::default()
        },
        PutObjectRequest {
            metadata: Some([("m".to_owned(), "x".repeat(2048))].into()),
            ..PutObjectRequest::default()
        },
        PutObjectRequest {
            content_md5: Some("AAAA".into()),
            ..PutObjectRequest::default()
        },
        PutObjectRequest {
            content_md5: Some("AAAAAAAAAAAAAAAAAAAAAA==".into()),
            ..PutObjectRequest::default()
        },
        PutObjectRequest {
            checksum_crc32: Some("AAAAAA==".into()),
            ..PutObjectRequest::default()
        },
        PutObjectRequest {
            server_side_encryption: Some("aws:kms".into()),
            ..PutObjectRequest::default()
        },
    ];
    let codes = [
        "InvalidStorageClass",
        "MetadataTooLarge",
        "InvalidDigest",
        "BadDigest",
        "BadDigest",
        "NotImplemented",
    ];
    for (request, expected) in refused.into_iter().zip(codes) {
        assert_eq!(code(stage.put_with("bad", "content", request).await), expected);
    }
    assert_eq!(code(stage.get("bad").await), "NoSuchKey", "nothing was stored");
}

#[tokio::test]
async fn ranges_and_conditions_of_reads() {
    let stage = Stage::open().await;
    stage.put("k", "0123456789").await.unwrap();
    let range = |range: &str| GetObjectRequest {
        range: Some(range.into()),
        ..GetObjectRequest::default()
    };
    let (status, output, body) = stage.get_with("k", range("bytes=2-4")).await.unwrap();
    assert_eq!((status, &body[..]), (206, &b"234"[..]));
    assert_eq!(output.content_range.as_deref(), Some("bytes 2-4/10"));
    assert_eq!(output.content_length, Some(3));
    assert_eq!(stage.get_with("k", range("bytes=-3")).await.unwrap().2, "789");
    assert_eq!(code(stage.get_with("k", range("bytes=10-")).await), "InvalidRange");
    let (status, _, body) = stage.get_with("k", range("bytes=0-1,3-4")).await.unwrap();
    assert_eq!((status, body.len()), (200, 10));
    let seen = GetObjectRequest {
        if_none_match: Some("\"781e5e245d69b566979b86e28d23f2c7\"".into()),
        ..GetObjectRequest::default()
    };
    let Err(Error::Answer(answer)) = stage.get_with("k", seen).await else {
        panic!("not modified")
    };
    assert_eq!(answer.status, 304);
    assert!(answer.headers().iter().any(|(name, _)| *name == "etag"));
    let stale = GetObjectRequest {
        if_match: Some("\"x\"".into()),
        ..GetObjectRequest::default()
    };
    assert_eq!(code(stage.get_with("k", stale).await), "PreconditionFailed");
}

#[tokio::test]
async fn a_conditional_write_has_one_winner() {
    let stage = Arc::new(Stage::open().await);
    let only_new = || PutObjectRequest {
        if_none_match: Some("*".into()),
        ..PutObjectRequest::default()
    };
    let writers: Vec<_> = (0..8)
        .map(|writer: usize| {
            let stage = stage.clone();
            tokio::spawn(async move { stage.put_with("k", vec![writer as u8; 100], only_new()).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += usize::from(writer.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(
        code(stage.put_with("k", content(100_000), only_new()).await),
        "PreconditionFailed"
    );
    let replace = |tag: &str| PutObjectRequest {
        if_match: Some(tag.into()),
        ..PutObjectRequest::default()
    };
    assert_eq!(
        code(stage.put_with("k", "x", replace("\"wrong\"")).await),
        "PreconditionFailed"
    );
    assert_eq!(
        code(stage.put_with("other", "x", replace("\"wrong\"")).await),
        "NoSuchKey"
    );
    let tag = stage.put("k", "y").await.unwrap().e_tag.unwrap();
    stage.put_with("k", "z", replace(&tag)).await.unwrap();
    assert_eq!(stage.get("k").await.unwrap(), "z");
}

#[tokio::test]
async fn many_keys_are_deleted_each_for_itself() {
    let stage = Stage::open().await;
    for key in ["a", "b", "kept"] {
        stage.put(key, key).await.unwrap();
    }
    let object = |key: &str, version: Option<&str>| ObjectIdentifier {
        key: key.into(),
        version_id: version.map(Into::into),
        ..ObjectIdentifier::default()
    };
    let delete = |objects, quiet| DeleteObjectsRequest {
        bucket: BUCKET.into(),
        delete: Delete {
            objects,
            quiet: Some(quiet),
        },
        ..DeleteObjectsRequest::default()
    };
    let run = |input| api::delete_many::delete_many(stage.s3.clone(), context(), input);
    let named = vec![object("a", None), object("kept", None), object("nothing", None)];
    let output = run(delete(named, false)).await.unwrap();
    let deleted: Vec<_> = output.deleted.unwrap().into_iter().filter_map(|one| one.key).collect();
    assert_eq!(deleted, ["a", "nothing"]);
    let errors = output.errors.unwrap();
    assert_eq!(
        (errors[0].key.as_deref(), errors[0].code.as_deref()),
        (Some("kept"), Some("AccessDenied"))
    );
    let output = run(delete(vec![object("b", None)], true)).await.unwrap();
    assert_eq!((output.deleted, output.errors), (None, None));
    assert_eq!(stage.get("kept").await.unwrap(), "kept");
    assert_eq!(code(stage.get("b").await), "NoSuchKey");
    assert_eq!(
        code(run(delete(vec![object("x", None); 1001], false)).await),
        "MalformedXML"
    );
}

#[tokio::test]
async fn a_bucket_goes_only_when_it_is_empty_and_takes_everything_along() {
    let stage = Stage::open().await;
    let delete = || {
        let input = DeleteBucketRequest {
            bucket: BUCKET.into(),
            ..DeleteBucketRequest::default()
        };
        buckets::delete::delete(stage.s3.clone(), context(), input)
    };
    stage.put("k", "x").await.unwrap();
    assert_eq!(code(delete().await), "BucketNotEmpty");
    stage.versioning("Enabled").await;
    stage.delete("k", None).await.unwrap();
    assert_eq!(code(delete().await), "BucketNotEmpty");
    let marker = stage.delete("k", None).await.unwrap().version_id.unwrap();
    for version in [marker.as_str(), "null"] {
        stage.delete("k", Some(version)).await.unwrap();
    }
    let rest = crate::keys::below(Bytes::from_static(b"\x02s3"));
    let view = stage.s3.snapshot().await.unwrap();
    let left = view
        .scan(rest.clone(), danbi_store::Direction::Forward, 100)
        .await
        .unwrap();
    let markers = left
        .entries
        .iter()
        .filter(|(_, value)| value.windows(5).any(|text| text == b"owner"))
        .count();
    // The bucket itself and the one delete marker that is left.
    assert!(markers >= 1);
    for version in list_versions(&stage).await {
        stage.delete("k", Some(&version)).await.unwrap();
    }
    delete().await.unwrap();
    crate::sweep::all(&stage.s3).await.unwrap();
    let view = stage.s3.snapshot().await.unwrap();
    let left = view.scan(rest, danbi_store::Direction::Forward, 100).await.unwrap();
    // The lease of the lifecycle and the names of the master keys are no bucket's.
    let of_no_bucket = [crate::keys::lease("lifecycle"), crate::keys::master_keys()];
    let left = left.entries.iter().filter(|(key, _)| !of_no_bucket.contains(key));
    let left: Vec<_> = left.collect();
    assert!(left.is_empty(), "left of a deleted bucket: {left:?}");
    assert_eq!(code(stage.put("k", "x").await), "NoSuchBucket");
    stage.make_bucket(BUCKET).await.unwrap();
    assert_eq!(code(stage.get("k").await), "NoSuchKey");
}

async fn list_versions(stage: &Stage) -> Vec<String> {
    let input = ListObjectVersionsRequest {
        bucket: BUCKET.into(),
        ..ListObjectVersionsRequest::default()
    };
    let output = crate::listing::versions::list_versions(stage.s3.clone(), context(), input)
        .await
        .unwrap();
    let versions = output
        .versions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|version| version.version_id);
    let markers = output
        .delete_markers
        .unwrap_or_default()
        .into_iter()
        .filter_map(|marker| marker.version_id);
    versions.chain(markers).collect()
}

#[tokio::test]
async fn names_are_global_and_making_them_again_is_judged() {
    let stage = Stage::open().await;
    assert!(stage.make_bucket(BUCKET).await.is_ok(), "one's own, in us-east-1");
    let stranger = RequestContext {
        scope: Scope {
            account: "111111111111".parse().unwrap(),
            ..Scope::default()
        },
        ..context()
    };
    let input = || CreateBucketRequest {
        bucket: BUCKET.into(),
        ..CreateBucketRequest::default()
    };
    let made = buckets::create::create(stage.s3.clone(), stranger, input()).await;
    assert_eq!(code(made), "BucketAlreadyExists");
    assert_eq!(code(stage.make_bucket("No").await), "InvalidBucketName");
}
