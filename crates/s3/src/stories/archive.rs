use super::*;
use crate::archive;
use crate::lifecycle::Days;

const DAY: Duration = Duration::from_millis(1);

fn stored_in(class: &str) -> PutObjectRequest {
    PutObjectRequest {
        storage_class: Some(class.into()),
        ..PutObjectRequest::default()
    }
}

impl Stage {
    async fn restore(&self, key: &str, wanted: RestoreRequest) -> Result<u16, Error> {
        let input = RestoreObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            restore_request: Some(wanted),
            ..RestoreObjectRequest::default()
        };
        let (_, parts) = archive::restore(self.s3.clone(), context(), input).await?;
        Ok(parts.status.unwrap_or(200))
    }

    async fn shown_restore(&self, key: &str) -> Option<String> {
        let input = HeadObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            ..HeadObjectRequest::default()
        };
        api::get::head(self.s3.clone(), context(), input)
            .await
            .unwrap()
            .0
            .restore
    }
}

fn days(days: i32) -> RestoreRequest {
    RestoreRequest {
        days: Some(days),
        ..RestoreRequest::default()
    }
}

#[tokio::test]
async fn what_is_in_an_archive_is_read_after_a_restore() {
    let stage = Stage::open().await;
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        stage.put_with("cold", "ice", stored_in(class)).await.unwrap();
        let refused = stage.get("cold").await;
        assert_eq!(code(refused), "InvalidObjectState");
        assert_eq!(stage.shown_restore("cold").await, None);
        assert_eq!(stage.restore("cold", days(3)).await.unwrap(), 202);
        assert_eq!(stage.get("cold").await.unwrap(), "ice");
        let shown = stage.shown_restore("cold").await.unwrap();
        assert!(
            shown.starts_with("ongoing-request=\"false\", expiry-date=\""),
            "{shown}"
        );
        // A second one gives it more time.
        assert_eq!(stage.restore("cold", days(30)).await.unwrap(), 200);
        assert_ne!(stage.shown_restore("cold").await.unwrap(), shown);
    }
    stage.put_with("warm", "tea", stored_in("GLACIER_IR")).await.unwrap();
    assert_eq!(stage.get("warm").await.unwrap(), "tea");
    assert_eq!(code(stage.restore("warm", days(1)).await), "InvalidObjectState");
    assert_eq!(code(stage.restore("none", days(1)).await), "NoSuchKey");
    assert_eq!(code(stage.restore("cold", days(0)).await), "InvalidArgument");
    assert_eq!(
        code(stage.restore("cold", RestoreRequest::default()).await),
        "MalformedXML"
    );
    let hasty = RestoreRequest {
        tier: Some("Expedited".into()),
        ..days(1)
    };
    assert_eq!(code(stage.restore("cold", hasty).await), "InvalidArgument");
}

#[tokio::test]
async fn a_restored_copy_ends_and_survives_a_crash_until_then() {
    let stage = Stage::open().await;
    stage.put_with("cold", "ice", stored_in("GLACIER")).await.unwrap();
    stage.restore("cold", days(1)).await.unwrap();
    let stage = stage.crash().await;
    assert_eq!(stage.get("cold").await.unwrap(), "ice");
    // Nothing is over yet.
    archive::expire(&stage.s3, &context()).await.unwrap();
    assert_eq!(stage.get("cold").await.unwrap(), "ice");

    let stage = Stage::open_with(Options {
        lifecycle_day: Days::Of(DAY),
        ..Options::default()
    })
    .await;
    stage.put_with("cold", "ice", stored_in("GLACIER")).await.unwrap();
    stage.restore("cold", days(1)).await.unwrap();
    while stage.get("cold").await.is_ok() {
        tokio::task::yield_now().await;
    }
    archive::expire(&stage.s3, &context()).await.unwrap();
    assert_eq!(code(stage.get("cold").await), "InvalidObjectState");
    assert_eq!(stage.restore("cold", days(1)).await.unwrap(), 202);
}

#[tokio::test]
async fn listings_tell_of_restored_copies_to_those_who_ask() {
    let stage = Stage::open().await;
    stage.put_with("cold", "ice", stored_in("GLACIER")).await.unwrap();
    stage.restore("cold", days(1)).await.unwrap();
    let list = async |asked: &[&str]| {
        let input = ListObjectsV2Request {
            bucket: BUCKET.into(),
            optional_object_attributes: Some(asked.iter().map(|&name| name.to_owned()).collect()),
            ..ListObjectsV2Request::default()
        };
        let listed = crate::listing::objects::list_v2(stage.s3.clone(), context(), input).await;
        listed.map(|listed| listed.contents.unwrap()[0].restore_status.clone())
    };
    assert_eq!(list(&[]).await.unwrap(), None);
    let status = list(&["RestoreStatus"]).await.unwrap().unwrap();
    assert_eq!(status.is_restore_in_progress, Some(false));
    assert!(status.restore_expiry_date.is_some());
    assert_eq!(code(list(&["Mood"]).await), "InvalidArgument");
}
