//! `danbi files ls` and `danbi files rm`.

use super::copy::{below, missing};
use super::location::Remote;
use super::{LsArgs, RmArgs};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, size};
use crate::cli::platform::Platform;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

/// Objects removed at a time.
const REMOVALS_AT_ONCE: usize = 16;

/// Runs `ls`.
pub async fn ls(args: LsArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let at = args.at.as_deref().map(Remote::parse).transpose()?;
    let platform = Platform::find(&args.target).await?;
    let Some(at) = at else {
        let buckets = platform.buckets().await?;
        for (name, created) in &buckets {
            output.line(format!("{created:<26} {name}"));
        }
        if buckets.is_empty() {
            output.warn("there is no bucket yet: `danbi files create NAME` makes one");
        }
        let documents: Vec<_> = buckets
            .iter()
            .map(|(name, created)| json!({"name": name, "created": created}))
            .collect();
        output.document(&json!({"buckets": documents}));
        return Ok(());
    };
    let delimiter = if args.recursive { "" } else { "/" };
    let (mut folders, mut objects, mut token) = (Vec::new(), Vec::new(), None);
    let mut shown = 0_usize;
    loop {
        let mut page = platform
            .objects_page(&at.bucket, &at.key, delimiter, token.as_deref())
            .await?;
        for folder in &page.folders {
            output.line(format!("{:<26} {:>10} {folder}", "", "folder"));
        }
        for object in &page.objects {
            output.line(format!(
                "{:<26} {:>10} {}",
                object.last_modified,
                size(object.size),
                object.key
            ));
        }
        shown += page.folders.len() + page.objects.len();
        if output.is_json() {
            folders.append(&mut page.folders);
            objects.append(&mut page.objects);
        }
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    if shown == 0 {
        output.warn(format!("nothing is in {at}"));
    }
    output.document(&json!({"bucket": at.bucket, "prefix": at.key, "folders": folders, "objects": objects}));
    Ok(())
}

/// Runs `rm`.
pub async fn rm(args: RmArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let mut places = Vec::new();
    for text in &args.at {
        places.push(match args.recursive {
            true => Remote::parse(text)?,
            false => Remote::object(text).map_err(|failure| {
                failure.next(format!(
                    "name one file, or remove all below it: danbi files rm -r {text}"
                ))
            })?,
        });
    }
    let platform = Platform::find(&args.target).await?;
    let mut removed = Vec::new();
    for at in &places {
        if !args.recursive {
            if platform.head_object(&at.bucket, &at.key).await?.is_none() {
                return Err(missing(at));
            }
            platform.delete_object(&at.bucket, &at.key).await?;
            removed.push(at.clone());
            continue;
        }
        let objects = below(&platform, at).await?;
        let keys = objects.into_iter().map(|object| at.with_key(object.key)).collect();
        removed.extend(remove(&platform, &output, keys).await?);
        if at.key.is_empty() {
            platform.delete_bucket(&at.bucket).await?;
            removed.push(at.clone());
        }
    }
    output.done();
    for at in &removed {
        output.line(format!("removed {at}"));
    }
    let document = |at: &Remote| json!({"bucket": at.bucket, "key": at.key});
    output.document(&json!({"removed": removed.iter().map(document).collect::<Vec<_>>()}));
    Ok(())
}

/// Removes objects, several at a time.
pub async fn remove(platform: &Platform, output: &Output, objects: Vec<Remote>) -> Result<Vec<Remote>, Failure> {
    output.step(format!("removing {} files", objects.len()));
    let removed = stream::iter(objects).map(|at| async move {
        platform.delete_object(&at.bucket, &at.key).await?;
        Ok::<_, Failure>(at)
    });
    removed.buffered(REMOVALS_AT_ONCE).try_collect().await
}
