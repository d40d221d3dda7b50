use super::*;
use danbi_core::Body;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

const LARGE: usize = 3_000_000;

#[tokio::test]
async fn large_content_is_a_sealed_blob_and_any_range_of_it_can_be_read() {
    let stage = Stage::open().await;
    let plain = content(LARGE);
    stage.put("k", plain.clone()).await.unwrap();
    assert_eq!(stage.get("k").await.unwrap(), plain);
    let files = stage.blob_files();
    assert_eq!(files.len(), 1);
    let sealed = std::fs::read(&files[0]).unwrap();
    assert!(
        !sealed.windows(64).any(|window| window == &plain[1000..1064]),
        "nothing lies in the clear"
    );
    for (first, last) in [(0, 0), (65_535, 65_536), (100_000, 2_500_000), (LARGE - 1, LARGE - 1)] {
        let request = GetObjectRequest {
            range: Some(format!("bytes={first}-{last}")),
            ..GetObjectRequest::default()
        };
        assert_eq!(stage.get_with("k", request).await.unwrap().2, plain.slice(first..=last));
    }
}

#[tokio::test]
async fn a_flipped_bit_on_disk_never_reaches_a_reader() {
    let stage = Stage::open().await;
    let plain = content(LARGE);
    stage.put("k", plain.clone()).await.unwrap();
    let file = stage.blob_files().pop().unwrap();
    let mut sealed = std::fs::read(&file).unwrap();
    sealed[LARGE / 2] ^= 1;
    std::fs::write(&file, &sealed).unwrap();
    assert!(matches!(stage.get("k").await, Err(Error::Damaged(_))));
    let request = |range: &str| GetObjectRequest {
        range: Some(range.into()),
        ..GetObjectRequest::default()
    };
    let sound = stage.get_with("k", request("bytes=0-999")).await.unwrap().2;
    assert_eq!(sound, plain.slice(..1000));
    std::fs::write(&file, &sealed[..LARGE / 2]).unwrap();
    assert!(stage.get("k").await.is_err(), "a file that was cut");
}

#[tokio::test]
async fn what_is_not_needed_any_more_is_collected_and_nothing_else() {
    let stage = Stage::open().await;
    stage.put("a", content(LARGE)).await.unwrap();
    stage.put("b", content(LARGE + 1)).await.unwrap();
    stage.put("a", "small now").await.unwrap();
    let stage = stage.crash().await;
    stage.collect().await;
    assert_eq!(stage.blob_files().len(), 1);
    assert_eq!(stage.get("b").await.unwrap(), content(LARGE + 1));
    stage.delete("b", None).await.unwrap();
    stage.collect().await;
    assert_eq!(stage.blob_files().len(), 0);
    assert_eq!(stage.get("a").await.unwrap(), "small now");
}

/// A body of some pieces, which may break off.
fn pieces(pieces: Vec<Result<Bytes, &'static str>>) -> Body {
    let frames = pieces
        .into_iter()
        .map(|piece| piece.map(Frame::data).map_err(Into::into));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let stage = Stage::open().await;
    let put = async |body: Body, length: i64| {
        let input = PutObjectRequest {
            bucket: BUCKET.into(),
            key: "k".into(),
            content_length: Some(length),
            body: body.into(),
            ..PutObjectRequest::default()
        };
        api::put::put(stage.s3.clone(), context(), input).await
    };
    let half = content(LARGE / 2);
    let broken = pieces(vec![Ok(half.clone()), Err("the client went away")]);
    assert_eq!(code(put(broken, LARGE as i64).await), "IncompleteBody");
    assert_eq!(
        code(put(pieces(vec![Ok(half.clone())]), LARGE as i64).await),
        "IncompleteBody"
    );
    assert_eq!(code(put(pieces(vec![Ok(content(10))]), 20).await), "IncompleteBody");
    assert_eq!(code(put(pieces(vec![]), 6 << 30).await), "EntityTooLarge");
    assert_eq!(code(stage.get("k").await), "NoSuchKey");
    // What was begun vanishes on a thread of its own.
    while !stage.blob_files().is_empty() {
        tokio::task::yield_now().await;
    }
    put(pieces(vec![Ok(half.clone()), Ok(half.clone())]), half.len() as i64 * 2)
        .await
        .unwrap();
    assert_eq!(stage.get("k").await.unwrap().len(), half.len() * 2);
}

#[tokio::test]
async fn a_clients_key_is_needed_to_read_what_it_sealed() {
    use base64::Engine;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let headers = |fill: u8| {
        let key = [fill; 32];
        let mut md5 = crate::checksum::Md5Hasher::default();
        md5.update(&key);
        (
            Some("AES256".to_owned()),
            Some(base64(&key)),
            Some(base64(&md5.finish())),
        )
    };
    let stage = Stage::open().await;
    for size in [10, LARGE] {
        let (sse_customer_algorithm, sse_customer_key, sse_customer_key_md5) = headers(1);
        let request = PutObjectRequest {
            sse_customer_algorithm,
            sse_customer_key,
            sse_customer_key_md5,
            ..PutObjectRequest::default()
        };
        let put = stage.put_with("k", content(size), request).await.unwrap();
        assert_eq!(put.server_side_encryption, None);
        assert_eq!(code(stage.get("k").await), "InvalidRequest");
        let get = async |fill| {
            let (sse_customer_algorithm, sse_customer_key, sse_customer_key_md5) = headers(fill);
            let request = GetObjectRequest {
                sse_customer_algorithm,
                sse_customer_key,
                sse_customer_key_md5,
                ..GetObjectRequest::default()
            };
            stage.get_with("k", request).await
        };
        assert_eq!(code(get(2).await), "AccessDenied");
        assert_eq!(get(1).await.unwrap().2, content(size));
    }
}
