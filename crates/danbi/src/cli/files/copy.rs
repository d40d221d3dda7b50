//! `danbi files put` and `danbi files get`.

use super::folder::{self, Found};
use super::location::Remote;
use super::transfer::Transfers;
use super::{GetArgs, PutArgs};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, size};
use crate::cli::platform::{ObjectEntry, ObjectHead, Platform};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Files on their way at a time; the parts of all of them share a bound of their own.
const FILES_AT_ONCE: usize = 8;

/// Runs `put`.
pub async fn put(args: PutArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let to = Remote::parse(&args.to)?;
    let from_input = args.sources == [PathBuf::from("-")];
    let jobs = match from_input {
        true => Vec::new(),
        false => jobs(&args, &to)?,
    };
    let platform = Platform::find(&args.target).await?;
    have_bucket(&platform, &output, &to.bucket).await?;
    let stored = if from_input {
        let to = Remote::object(&args.to)?;
        let (etag, bytes) = Transfers::new(&platform, output.bar("sending", 0))
            .upload_input(&to)
            .await?;
        vec![(to, bytes, etag)]
    } else {
        send(&platform, &output, jobs).await?
    };
    output.done();
    for (to, bytes, _) in &stored {
        output.line(format!("{to}  {}", size(*bytes)));
    }
    let document = |(to, bytes, etag): &(Remote, u64, String)| json!({"bucket": to.bucket, "key": to.key, "size": bytes, "etag": etag, "url": platform.object_url(&to.bucket, &to.key)});
    output.document(&json!({"stored": stored.iter().map(document).collect::<Vec<_>>()}));
    Ok(())
}

/// Sends files, in the order given as far as the answer goes.
pub async fn send(
    platform: &Platform,
    output: &Output,
    jobs: Vec<(Found, Remote)>,
) -> Result<Vec<(Remote, u64, String)>, Failure> {
    let total = jobs.iter().map(|(file, _)| file.size).sum();
    let transfers = Transfers::new(platform, output.bar("sending", total));
    let sent = stream::iter(jobs).map(|(file, to)| {
        let transfers = transfers.clone();
        async move {
            let etag = transfers.upload(&file.path, &to).await?;
            Ok::<_, Failure>((to, file.size, etag))
        }
    });
    sent.buffered(FILES_AT_ONCE).try_collect().await
}

/// Sees that the bucket is there.
pub async fn have_bucket(platform: &Platform, output: &Output, bucket: &str) -> Result<(), Failure> {
    if platform.head_object(bucket, "").await?.is_some() {
        return Ok(());
    }
    platform.create_bucket(bucket).await?;
    output.warn(format!("there was no bucket {bucket}: it was made"));
    Ok(())
}

/// What is to be stored where.
fn jobs(args: &PutArgs, to: &Remote) -> Result<Vec<(Found, Remote)>, Failure> {
    let many = args.sources.len() > 1;
    let mut jobs = Vec::new();
    for source in &args.sources {
        let metadata = std::fs::metadata(source).map_err(|error| {
            Failure::new(format!("cannot read {}", source.display()), error).next("check the name of the file")
        })?;
        if metadata.is_dir() {
            if !args.recursive {
                return Err(Failure::usage(
                    format!("{} is a folder", source.display()),
                    "folders are stored only with -r",
                )
                .next(format!("danbi files put -r {} {to}", source.display())));
            }
            for file in folder::files(source)? {
                let key = format!("{}{}", to.folder(), file.name);
                jobs.push((file, to.with_key(key)));
            }
            continue;
        }
        let name = source.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let keeps_name = many || to.key.is_empty() || to.key.ends_with('/');
        let key = match keeps_name {
            true => format!("{}{name}", to.folder()),
            false => to.key.clone(),
        };
        let file = Found {
            path: source.clone(),
            name: name.to_owned(),
            size: metadata.len(),
        };
        jobs.push((file, to.with_key(key)));
    }
    Ok(jobs)
}

/// Runs `get`.
pub async fn get(args: GetArgs) -> Result<(), Failure> {
    let output = args.target.output();
    if args.recursive {
        let from = Remote::parse(&args.from)?;
        let platform = Platform::find(&args.target).await?;
        let to = args.to.clone().unwrap_or_else(|| PathBuf::from("."));
        let objects = below(&platform, &from).await?;
        let jobs = placed(&from, objects, &to)?;
        let got = fetch(&platform, &output, &from, jobs).await?;
        output.done();
        return report(&output, &got);
    }
    let from = Remote::object(&args.from)?;
    let platform = Platform::find(&args.target).await?;
    let head = platform.head_object(&from.bucket, &from.key).await?;
    let head = head.ok_or_else(|| missing(&from))?;
    let transfers = Transfers::new(&platform, output.bar("fetching", head.size));
    if args.to.as_deref() == Some(Path::new("-")) {
        transfers.print(&from, &head).await?;
        output.done();
        return Ok(());
    }
    let name = from.key.rsplit('/').next().unwrap_or_default();
    let to = match &args.to {
        Some(to) if to.is_dir() => folder::place(to, name),
        Some(to) => Some(to.clone()),
        None => folder::place(Path::new(""), name),
    };
    let to = to.ok_or_else(|| {
        Failure::usage(
            format!("{from} cannot be a file here"),
            "its key ends with no file name",
        )
        .next("say what the file shall be called")
    })?;
    transfers.download(&from, &head, &to, None).await?;
    output.done();
    report(&output, &[(from, to, head.size)])
}

/// That there is no such object.
pub fn missing(at: &Remote) -> Failure {
    Failure::new(format!("there is no file {at}"), "no object has that key")
        .code(Some("NoSuchKey".into()))
        .next(format!("`danbi files ls -r {}` shows what is there", at.bucket))
}

/// Fetches objects into files; each file gets the time of its object.
pub async fn fetch(
    platform: &Platform,
    output: &Output,
    from: &Remote,
    jobs: Vec<(ObjectEntry, PathBuf)>,
) -> Result<Vec<(Remote, PathBuf, u64)>, Failure> {
    let total = jobs.iter().map(|(object, _)| object.size).sum();
    let transfers = Transfers::new(platform, output.bar("fetching", total));
    let got = stream::iter(jobs).map(|(object, to)| {
        let (transfers, from) = (transfers.clone(), from.with_key(object.key.clone()));
        async move {
            let stored = super::compare::stored_at(&object);
            let head = ObjectHead {
                size: object.size,
                etag: object.etag,
            };
            transfers.download(&from, &head, &to, stored).await?;
            Ok::<_, Failure>((from, to, object.size))
        }
    });
    got.buffered(FILES_AT_ONCE).try_collect().await
}

/// All objects below a prefix.
pub async fn below(platform: &Platform, at: &Remote) -> Result<Vec<ObjectEntry>, Failure> {
    let (mut objects, mut token) = (Vec::new(), None);
    loop {
        let page = platform
            .objects_page(&at.bucket, &at.folder(), "", token.as_deref())
            .await?;
        objects.extend(page.objects);
        token = page.next;
        if token.is_none() {
            return Ok(objects);
        }
    }
}

/// Where each object belongs below `folder`. Keys that end with a slash stand for folders and are passed over.
pub fn placed(from: &Remote, objects: Vec<ObjectEntry>, folder: &Path) -> Result<Vec<(ObjectEntry, PathBuf)>, Failure> {
    let prefix = from.folder();
    let files = objects.into_iter().filter(|object| !object.key.ends_with('/'));
    let place = |object: ObjectEntry| {
        let name = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
        match folder::place(folder, name) {
            Some(path) => Ok((object, path)),
            None => Err(Failure::new(
                format!("{}/{} cannot be a file of this machine", from.bucket, object.key),
                "its key has empty parts or dots, or begins with a slash",
            )
            .next("get it by itself, under a name of your own")),
        }
    };
    files.map(place).collect()
}

fn report(output: &Output, got: &[(Remote, PathBuf, u64)]) -> Result<(), Failure> {
    for (_, to, bytes) in got {
        output.line(format!("{}  {}", to.display(), size(*bytes)));
    }
    let document = |(from, to, bytes): &(Remote, PathBuf, u64)| -> Value {
        json!({"bucket": from.bucket, "key": from.key, "file": to.display().to_string(), "size": bytes})
    };
    output.document(&json!({"fetched": got.iter().map(document).collect::<Vec<_>>()}));
    Ok(())
}
