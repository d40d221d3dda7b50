use super::*;
use crate::listing::objects::{list_v1, list_v2};
use crate::listing::versions::list_versions;

async fn fill(stage: &Stage, keys: &[&str]) {
    for key in keys {
        stage.put(key, key.to_string()).await.unwrap();
    }
}

/// Keys and common prefixes of every page of a V2 list, a page a line.
async fn pages(stage: &Stage, request: ListObjectsV2Request) -> Vec<Vec<String>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let input = ListObjectsV2Request {
            bucket: BUCKET.into(),
            continuation_token: token,
            prefix: request.prefix.clone(),
            delimiter: request.delimiter.clone(),
            start_after: request.start_after.clone(),
            max_keys: request.max_keys,
            ..ListObjectsV2Request::default()
        };
        let page = list_v2(stage.s3.clone(), context(), input).await.unwrap();
        let keys = page
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key);
        let prefixes = page
            .common_prefixes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.prefix);
        let mut shown: Vec<_> = keys.chain(prefixes).collect();
        assert_eq!(page.key_count, Some(shown.len() as i32));
        shown.sort();
        pages.push(shown);
        token = page.next_continuation_token;
        assert_eq!(page.is_truncated, Some(token.is_some()));
        if token.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn groups_are_skipped_whole_and_pages_go_on_behind_them() {
    let stage = Stage::open().await;
    fill(&stage, &["a", "b/1", "b/2", "b/3/x", "c", "d/1", "é/1"]).await;
    let slash = |max: i32| ListObjectsV2Request {
        delimiter: Some("/".into()),
        max_keys: Some(max),
        ..ListObjectsV2Request::default()
    };
    assert_eq!(pages(&stage, slash(1000)).await, [["a", "b/", "c", "d/", "é/"]]);
    assert_eq!(
        pages(&stage, slash(2)).await,
        [vec!["a", "b/"], vec!["c", "d/"], vec!["é/"]]
    );
    assert_eq!(
        pages(&stage, slash(5)).await.len(),
        1,
        "a full page that is the last says so"
    );
    let below = ListObjectsV2Request {
        prefix: Some("b/".into()),
        ..slash(1)
    };
    assert_eq!(pages(&stage, below).await, [["b/1"], ["b/2"], ["b/3/"]]);
    let after = ListObjectsV2Request {
        start_after: Some("b/2".into()),
        ..ListObjectsV2Request::default()
    };
    assert_eq!(pages(&stage, after).await, [["b/3/x", "c", "d/1", "é/1"]]);
    let nothing = ListObjectsV2Request {
        max_keys: Some(0),
        ..ListObjectsV2Request::default()
    };
    assert_eq!(pages(&stage, nothing).await, [Vec::<String>::new()]);
}

#[tokio::test]
async fn the_old_list_goes_on_behind_its_marker() {
    let stage = Stage::open().await;
    fill(&stage, &["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud"]).await;
    let list = async |marker: &str, max: i32| {
        let input = ListObjectsRequest {
            bucket: BUCKET.into(),
            delimiter: Some("/".into()),
            marker: Some(marker.into()),
            max_keys: Some(max),
            ..ListObjectsRequest::default()
        };
        let page = list_v1(stage.s3.clone(), context(), input).await.unwrap();
        let keys: Vec<_> = page
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.key)
            .collect();
        let prefixes: Vec<_> = page
            .common_prefixes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.prefix)
            .collect();
        (keys, prefixes, page.next_marker)
    };
    let text = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(list("", 1).await, (text(&["asdf"]), text(&[]), Some("asdf".into())));
    assert_eq!(list("asdf", 1).await, (text(&[]), text(&["boo/"]), Some("boo/".into())));
    assert_eq!(list("boo/", 1).await, (text(&[]), text(&["cquux/"]), None));
}

#[tokio::test]
async fn keys_that_xml_cannot_carry_are_encoded() {
    let stage = Stage::open().await;
    fill(&stage, &["a b/\u{1}+é"]).await;
    let input = |kind: &str| ListObjectsV2Request {
        bucket: BUCKET.into(),
        encoding_type: Some(kind.into()),
        ..ListObjectsV2Request::default()
    };
    let page = list_v2(stage.s3.clone(), context(), input("url")).await.unwrap();
    assert_eq!(page.contents.unwrap()[0].key.as_deref(), Some("a%20b/%01%2B%C3%A9"));
    assert_eq!(
        code(list_v2(stage.s3.clone(), context(), input("other")).await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn versions_are_paged_within_a_key() {
    let stage = Stage::open().await;
    stage.versioning("Enabled").await;
    for _ in 0..3 {
        stage.put("a", "x").await.unwrap();
        stage.put("b", "x").await.unwrap();
    }
    stage.delete("a", None).await.unwrap();
    let (mut seen, mut marker) = (Vec::new(), (None, None));
    loop {
        let input = ListObjectVersionsRequest {
            bucket: BUCKET.into(),
            max_keys: Some(2),
            key_marker: marker.0,
            version_id_marker: marker.1,
            ..ListObjectVersionsRequest::default()
        };
        let page = list_versions(stage.s3.clone(), context(), input).await.unwrap();
        for one in page.delete_markers.unwrap_or_default() {
            seen.push((one.key.unwrap(), "marker", one.is_latest.unwrap()));
        }
        for one in page.versions.unwrap_or_default() {
            seen.push((one.key.unwrap(), "version", one.is_latest.unwrap()));
        }
        marker = (page.next_key_marker, page.next_version_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    let line = |key: &str, kind, latest| (key.to_owned(), kind, latest);
    assert_eq!(
        seen,
        [
            line("a", "marker", true),
            line("a", "version", false),
            line("a", "version", false),
            line("a", "version", false),
            line("b", "version", true),
            line("b", "version", false),
            line("b", "version", false),
        ]
    );
    let input = ListObjectVersionsRequest {
        bucket: BUCKET.into(),
        version_id_marker: Some("x".into()),
        ..ListObjectVersionsRequest::default()
    };
    assert_eq!(
        code(list_versions(stage.s3.clone(), context(), input).await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn delete_markers_do_not_show_in_a_plain_list() {
    let stage = Stage::open().await;
    stage.versioning("Enabled").await;
    fill(&stage, &["a", "b", "c"]).await;
    stage.delete("b", None).await.unwrap();
    assert_eq!(pages(&stage, ListObjectsV2Request::default()).await, [["a", "c"]]);
}
