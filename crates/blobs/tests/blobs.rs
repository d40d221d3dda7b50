//! Blobs through their public face.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use danbi_blobs::{BlobError, BlobId, Blobs, CHUNK_BYTES, Collected};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

async fn open() -> (Blobs, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Blobs::open(&dir.path().join("blobs")).await.unwrap(), dir)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

fn content(bytes: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(bytes as u64);
    std::iter::repeat_with(|| random.u8(..)).take(bytes).collect()
}

async fn read(blobs: &Blobs, id: &BlobId) -> Result<Bytes, BlobError> {
    let reader = blobs.open_blob(id).await?;
    let chunks: Vec<Bytes> = reader.into_stream().try_collect().await?;
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
    Ok(chunks.concat().into())
}

#[tokio::test]
async fn what_was_put_is_got_whole_and_in_pieces() {
    let (blobs, dir) = open().await;
    for size in [
        0,
        1,
        1000,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
    ] {
        let content = content(size);
        let id = blobs.put(content.clone()).await.unwrap();
        assert_eq!(id, BlobId::of(&content));
        let pieces = content
            .chunks(777)
            .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
        assert_eq!(blobs.put_stream(stream::iter(pieces)).await.unwrap(), (id, size as u64));
        assert_eq!(blobs.get(&id).await.unwrap(), content);
        assert_eq!(read(&blobs, &id).await.unwrap(), content);
        assert_eq!(blobs.size(&id).await.unwrap(), Some(size as u64));
    }
    // Twice put, once kept; two levels of folders.
    let stored = files(&dir.path().join("blobs"));
    assert_eq!(stored.len(), 7);
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(stored.contains(&dir.path().join("blobs/e3/b0").join(empty)));
}

#[tokio::test]
async fn a_range_is_read_without_the_rest() {
    let (blobs, dir) = open().await;
    let content = content(2 * CHUNK_BYTES + 100);
    let id = blobs.put(content.clone()).await.unwrap();
    let size = content.len() as u64;
    for range in [0..size, 0..0, size..size, 1..CHUNK_BYTES as u64 + 2, size - 7..size] {
        let reader = blobs.open_range(&id, range.clone()).await.unwrap();
        assert_eq!(reader.size(), range.end - range.start);
        let chunks: Vec<Bytes> = reader.into_stream().try_collect().await.unwrap();
        assert_eq!(chunks.concat(), content[range.start as usize..range.end as usize]);
    }
    // Nobody asks for what was never written, unless the file lost its end.
    assert!(matches!(blobs.open_range(&id, 5..size + 1).await, Err(BlobError::Damaged(named)) if named == id));
    let path = files(&dir.path().join("blobs")).pop().unwrap();
    fs::write(&path, &content[..1000]).unwrap();
    assert!(matches!(
        blobs.open_range(&id, 999..1001).await,
        Err(BlobError::Damaged(_))
    ));
    let unknown = BlobId::of(b"never put");
    assert!(matches!(
        blobs.open_range(&unknown, 0..0).await,
        Err(BlobError::NotFound(_))
    ));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (blobs, _dir) = open().await;
    let id = BlobId::of(b"never put");
    assert!(matches!(blobs.get(&id).await, Err(BlobError::NotFound(named)) if named == id));
    assert!(matches!(blobs.open_blob(&id).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.size(&id).await.unwrap(), None);
    assert!(!blobs.delete(&id).await.unwrap());
}

#[tokio::test]
async fn a_flipped_bit_a_cut_or_a_longer_file_is_an_error() {
    let (blobs, dir) = open().await;
    let content = content(2 * CHUNK_BYTES + 100);
    let id = blobs.put(content.clone()).await.unwrap();
    let path = files(&dir.path().join("blobs")).pop().unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, CHUNK_BYTES, content.len() - 1]
        .map(|offset| {
            let mut bytes = content.to_vec();
            bytes[offset] ^= 0x10;
            bytes
        })
        .into();
    damaged.push(content[..content.len() - 1].to_vec());
    damaged.push(Vec::new());
    damaged.push([&content[..], b"+"].concat());
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(blobs.get(&id).await, Err(BlobError::Damaged(named)) if named == id));
        assert!(
            matches!(read(&blobs, &id).await, Err(BlobError::Damaged(_))),
            "{} bytes",
            bytes.len()
        );
    }
    // Putting the bytes again heals the blob.
    assert_eq!(blobs.put(content.clone()).await.unwrap(), id);
    assert_eq!(blobs.get(&id).await.unwrap(), content);
}

#[tokio::test]
async fn a_stream_that_breaks_off_stores_nothing() {
    let (blobs, dir) = open().await;
    let pieces = vec![
        Ok(content(CHUNK_BYTES)),
        Ok(content(CHUNK_BYTES)),
        Err("the client went away"),
    ];
    let broken = blobs.put_stream(stream::iter(pieces)).await;
    assert!(matches!(broken, Err(BlobError::Source(reason)) if reason.to_string() == "the client went away"));
    assert!(blobs.list(None, 10).await.unwrap().is_empty());
    // The draft is removed on another thread; opening again waits for nobody and sweeps what is left.
    drop(blobs);
    let blobs = Blobs::open(&dir.path().join("blobs")).await.unwrap();
    assert!(files(&dir.path().join("blobs")).is_empty());
    assert!(blobs.list(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cancelled_put_stores_nothing() {
    let (blobs, _dir) = open().await;
    let endless = stream::iter([Ok::<_, Infallible>(content(CHUNK_BYTES))]).chain(stream::pending());
    let mut put = Box::pin(blobs.put_stream(Box::pin(endless)));
    for _ in 0..50 {
        assert!((&mut put).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(put);
    assert!(blobs.list(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_are_paged_in_order() {
    let (blobs, _dir) = open().await;
    let mut expected = Vec::new();
    for number in 0..57_u32 {
        expected.push(blobs.put(number.to_be_bytes().to_vec()).await.unwrap());
    }
    expected.sort();
    let mut found = Vec::new();
    loop {
        let page = blobs.list(found.last(), 10).await.unwrap();
        found.extend(&page);
        if page.len() < 10 {
            break;
        }
    }
    assert_eq!(found, expected);
    assert!(blobs.delete(&expected[3]).await.unwrap());
    assert!(!blobs.delete(&expected[3]).await.unwrap());
    assert_eq!(blobs.list(None, 100).await.unwrap().len(), 56);
}

#[tokio::test]
async fn collection_removes_only_old_garbage() {
    let (blobs, dir) = open().await;
    let used = blobs.put("used").await.unwrap();
    let garbage = blobs.put("garbage").await.unwrap();
    let again = blobs.put("put again").await.unwrap();
    let is_used = async |id| Ok::<_, Infallible>(id == used);
    let hour = Duration::from_secs(3600);
    assert_eq!(
        blobs.collect(hour, is_used).await.unwrap(),
        Collected { removed: 0, kept: 3 }
    );
    let yesterday = std::time::SystemTime::now() - 24 * hour;
    for path in files(&dir.path().join("blobs")) {
        fs::File::open(path).unwrap().set_modified(yesterday).unwrap();
    }
    // A caller puts what nobody refers to yet, and will refer to it soon.
    assert_eq!(blobs.put("put again").await.unwrap(), again);
    assert_eq!(
        blobs.collect(hour, is_used).await.unwrap(),
        Collected { removed: 1, kept: 2 }
    );
    assert!(matches!(blobs.get(&garbage).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.get(&used).await.unwrap(), "used");
    assert_eq!(blobs.get(&again).await.unwrap(), "put again");
}

#[tokio::test]
async fn a_collection_that_cannot_ask_removes_nothing() {
    let (blobs, _dir) = open().await;
    let id = blobs.put("kept").await.unwrap();
    let failed = blobs
        .collect(Duration::ZERO, async |_| Err("the store is closed"))
        .await;
    assert!(matches!(failed, Err(BlobError::References(_))));
    assert_eq!(blobs.get(&id).await.unwrap(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn collection_and_puts_of_the_same_blob_do_not_lose_it() {
    let (blobs, dir) = open().await;
    let collector = tokio::spawn({
        let blobs = blobs.clone();
        async move {
            for _ in 0..200 {
                blobs
                    .collect(Duration::from_secs(3600), async |_| Ok::<_, Infallible>(false))
                    .await
                    .unwrap();
            }
        }
    });
    while !collector.is_finished() {
        let id = blobs.put("wanted").await.unwrap();
        assert_eq!(blobs.get(&id).await.unwrap(), "wanted");
        let path = files(&dir.path().join("blobs"))
            .into_iter()
            .find(|path| path.ends_with(id.to_string()))
            .unwrap();
        fs::File::open(path)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
    }
    collector.await.unwrap();
}

#[tokio::test]
async fn ids_are_written_as_hexadecimal() {
    let id = BlobId::of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse::<BlobId>().unwrap(), id);
    assert_eq!(
        serde_json::from_str::<BlobId>(&serde_json::to_string(&id).unwrap()).unwrap(),
        id
    );
    for wrong in [
        "",
        "e3",
        &text.to_uppercase(),
        &text.replace('e', "g"),
        &format!("{text}0"),
        "../../../etc/passwd",
    ] {
        assert!(wrong.parse::<BlobId>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let refused = Blobs::open(&dir.path().join("file")).await.unwrap_err();
    assert!(refused.to_string().contains("file/tmp"), "{refused}");
}
