use super::*;

impl Stage {
    /// What a stranger gets: status and content.
    async fn stranger(&self, key: &str, range: Option<&str>, state: Option<&str>) -> Result<(u16, Bytes), Error> {
        let mut stranger = context();
        stranger.principal = Principal::Anonymous;
        stranger.facts.if_range = state.map(str::to_owned);
        let input = GetObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            range: range.map(str::to_owned),
            ..GetObjectRequest::default()
        };
        let (mut output, parts) = api::get::get(self.s3.clone(), stranger, input).await?;
        let body = read_body(output.body.take(), 64 << 20).await;
        let body = body.map_err(|error| Error::Damaged(error.to_string()))?;
        Ok((parts.status.unwrap_or(200), body))
    }
}

const SIZE: usize = 300_000;

#[tokio::test]
async fn what_strangers_read_is_read_from_disk_once_and_never_stale() {
    let stage = Stage::open().await;
    stage.put("page", content(SIZE)).await.unwrap();
    assert_eq!(stage.stranger("page", None, None).await.unwrap(), (200, content(SIZE)));
    for file in stage.blob_files() {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(stage.stranger("page", None, None).await.unwrap().1, content(SIZE));
    let part = stage.stranger("page", Some("bytes=70000-70099"), None).await.unwrap();
    assert_eq!(part, (206, content(SIZE).slice(70_000..70_100)));
    // Whoever signs reads the disk.
    assert!(stage.get("page").await.is_err());

    stage.put("page", content(SIZE + 1)).await.unwrap();
    assert_eq!(stage.stranger("page", None, None).await.unwrap().1, content(SIZE + 1));
    stage.delete("page", None).await.unwrap();
    assert_eq!(code(stage.stranger("page", None, None).await), "NoSuchKey");
}

#[tokio::test]
async fn a_range_of_another_state_is_the_whole() {
    let stage = Stage::open().await;
    let put = stage.put("page", content(SIZE)).await.unwrap();
    let tag = put.e_tag.unwrap();
    let range = Some("bytes=1-2");
    assert_eq!(stage.stranger("page", range, Some(&tag)).await.unwrap().0, 206);
    let (status, whole) = stage.stranger("page", range, Some("\"other\"")).await.unwrap();
    assert_eq!((status, whole.len()), (200, SIZE));
}
