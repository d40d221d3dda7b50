//! The layout on the remote and its collection, over an object store in memory. Real ones are in `tests/clients`.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::Remote;
use super::collect::collect_as_of;
use super::write::{LONGEST_WRITE, PART_BYTES};
use crate::{BlobError, BlobId, Blobs, Collected, Place, RemoteWriter};

fn over(store: &Arc<InMemory>) -> Blobs {
    let remote = Remote::over(Arc::clone(store) as _, "some/where/");
    Blobs {
        place: Place::Remote(Arc::new(remote)),
    }
}

fn remote_of(blobs: &Blobs) -> &Arc<Remote> {
    match &blobs.place {
        Place::Remote(remote) => remote,
        Place::Disk(_) => unreachable!("these tests have no disk"),
    }
}

fn content(bytes: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(bytes as u64);
    let mut content = vec![0; bytes];
    random.fill(&mut content);
    content.into()
}

async fn objects(store: &InMemory) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<_> = listed.into_iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

/// Collects as if `ahead` had passed.
async fn collect(blobs: &Blobs, ahead: Duration, referenced: &[BlobId]) -> Collected {
    let answer = |id| {
        let known = referenced.contains(&id);
        async move { Ok::<_, Infallible>(known) }
    };
    let grace = Duration::from_secs(3600);
    collect_as_of(remote_of(blobs), SystemTime::now() + ahead, grace, answer)
        .await
        .unwrap()
}

const HOURS_2: Duration = Duration::from_secs(7200);

#[tokio::test]
async fn what_was_put_is_read_by_any_node_whole_and_in_ranges() {
    let store = Arc::new(InMemory::new());
    let (here, there) = (over(&store), over(&store));
    for size in [0, 1, 300_000, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 5] {
        let content = content(size);
        let id = here.put(content.clone()).await.unwrap();
        assert_eq!(id, BlobId::of(&content));
        for node in [&here, &there] {
            assert_eq!(node.size(&id).await.unwrap(), Some(size as u64));
            assert_eq!(node.get(&id).await.unwrap(), content);
            let middle = size as u64 / 3..size as u64 / 2;
            let reader = node.open_range(&id, middle.clone()).await.unwrap();
            let pieces: Vec<Bytes> = reader.into_stream().try_collect().await.unwrap();
            assert!(pieces.iter().all(|piece| piece.len() <= crate::CHUNK_BYTES));
            assert_eq!(pieces.concat(), content[middle.start as usize..middle.end as usize]);
            assert!(matches!(
                node.open_range(&id, 0..size as u64 + 1).await,
                Err(BlobError::Damaged(_))
            ));
        }
    }
    assert_eq!(here.list(None, 100).await.unwrap().len(), 6);
    assert!(objects(&store).await.iter().all(|name| name.starts_with("some/where/")));
    let unknown = BlobId::of(b"never put");
    assert!(matches!(there.get(&unknown).await, Err(BlobError::NotFound(_))));
    assert_eq!(there.size(&unknown).await.unwrap(), None);
}

#[tokio::test]
async fn lists_are_paged_in_order_and_name_each_blob_once() {
    let store = Arc::new(InMemory::new());
    let blobs = over(&store);
    let mut expected = Vec::new();
    for number in 0..30u32 {
        for _ in 0..2 {
            expected.push(blobs.put(number.to_be_bytes().to_vec()).await.unwrap());
        }
    }
    expected.sort();
    expected.dedup();
    let mut listed: Vec<BlobId> = Vec::new();
    loop {
        let page = blobs.list(listed.last(), 7).await.unwrap();
        listed.extend(&page);
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn altered_bytes_are_an_error() {
    let store = Arc::new(InMemory::new());
    for size in [1000, PART_BYTES + 1000] {
        let blobs = over(&store);
        let content = content(size);
        let id = blobs.put(content.clone()).await.unwrap();
        let at = remote_of(&blobs).bytes_of(&remote_of(&blobs).find(&id).await.unwrap().unwrap());
        let mut flipped = content.to_vec();
        flipped[500] ^= 1;
        for wrong in [flipped, content[..999].to_vec(), Vec::new()] {
            store.put(&at, wrong.into()).await.unwrap();
            assert!(matches!(blobs.get(&id).await, Err(BlobError::Damaged(named)) if named == id));
        }
    }
}

#[tokio::test]
async fn a_writer_that_is_given_up_leaves_nothing_that_counts() {
    let store = Arc::new(InMemory::new());
    let blobs = over(&store);
    let mut writer = blobs.writer().await.unwrap();
    writer.write(content(2 * PART_BYTES + 1)).await.unwrap();
    drop(writer);
    let cut = futures_util::stream::iter([Ok(content(100)), Err("the client left")]);
    assert!(matches!(blobs.put_stream(cut).await, Err(BlobError::Source(_))));
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
    assert_eq!(objects(&store).await, Vec::<String>::new());
}

#[tokio::test]
async fn collection_removes_old_garbage_and_superfluous_copies() {
    let store = Arc::new(InMemory::new());
    let blobs = over(&store);
    let (wanted, large) = (content(10), content(PART_BYTES + 1));
    let wanted = [
        blobs.put(wanted.clone()).await.unwrap(),
        blobs.put(wanted).await.unwrap(),
    ][0];
    let garbage = blobs.put(large.clone()).await.unwrap();
    let referenced = [wanted];
    let kept = |kept| Collected { removed: 0, kept };
    // Within the grace period everything stays.
    assert_eq!(collect(&blobs, Duration::ZERO, &referenced).await, kept(2));
    assert_eq!(objects(&store).await.len(), 4);
    // Later the unreferenced blob goes, with its bytes, and one of two copies.
    let collected = collect(&blobs, HOURS_2, &referenced).await;
    assert_eq!(collected, Collected { removed: 1, kept: 1 });
    assert_eq!(objects(&store).await.len(), 1);
    assert!(matches!(blobs.get(&garbage).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.get(&wanted).await.unwrap(), content(10));
    assert_eq!(blobs.put(large.clone()).await.unwrap(), garbage);
    assert_eq!(blobs.get(&garbage).await.unwrap(), large);
}

#[tokio::test]
async fn a_blob_put_again_while_it_is_collected_stays_readable() {
    let store = Arc::new(InMemory::new());
    let (putting, collecting) = (over(&store), over(&store));
    let content = content(10);
    let id = putting.put(content.clone()).await.unwrap();
    // The collector has asked and been told that nobody refers to it, when another node puts it again.
    let again = |_| async {
        putting.put(content.clone()).await.unwrap();
        Ok::<_, Infallible>(false)
    };
    let collected = collect_as_of(
        remote_of(&collecting),
        SystemTime::now() + HOURS_2,
        Duration::from_secs(3600),
        again,
    );
    assert_eq!(collected.await.unwrap().removed, 1);
    for node in [putting.clone(), collecting, over(&store)] {
        assert_eq!(node.get(&id).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_node_whose_copy_was_collected_finds_the_newer_one() {
    let store = Arc::new(InMemory::new());
    let (first, second) = (over(&store), over(&store));
    let content = content(PART_BYTES + 7);
    let id = first.put(content.clone()).await.unwrap();
    second.put(content.clone()).await.unwrap();
    collect(&second, HOURS_2, &[id]).await;
    assert_eq!(objects(&store).await.len(), 2);
    assert_eq!(first.get(&id).await.unwrap(), content);
}

#[tokio::test]
async fn bytes_whose_writer_died_go_once_no_writer_can_live() {
    let store = Arc::new(InMemory::new());
    let blobs = over(&store);
    let referenced = [blobs.put(content(PART_BYTES + 1)).await.unwrap()];
    let orphan = Path::from(format!("some/where/data/{}", uuid::Uuid::new_v4().simple()));
    store.put(&orphan, content(10).into()).await.unwrap();
    collect(&blobs, LONGEST_WRITE, &referenced).await;
    assert_eq!(objects(&store).await.len(), 3);
    collect(&blobs, LONGEST_WRITE + HOURS_2, &referenced).await;
    assert_eq!(objects(&store).await.len(), 2);
    assert_eq!(blobs.get(&referenced[0]).await.unwrap(), content(PART_BYTES + 1));
}

#[tokio::test]
async fn pieces_of_any_size_make_the_same_blob() {
    let store = Arc::new(InMemory::new());
    let remote = Arc::clone(remote_of(&over(&store)));
    let content = content(3 * PART_BYTES + 11);
    for piece in [70_001, 5 << 20, content.len()] {
        let mut writer = RemoteWriter::begin(Arc::clone(&remote));
        let mut pieces = futures_util::stream::iter(content.chunks(piece));
        while let Some(piece) = pieces.next().await {
            writer.write(content.slice_ref(piece)).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), BlobId::of(&content));
    }
}
