//! The embedded engine passes the conformance suite, also when every few commits fill its memory.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod conformance;

use danbi_store::{EmbeddedOptions, Store};
use tempfile::TempDir;

mod as_it_comes {
    use super::*;

    fn open() -> (Store, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (
            Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap(),
            dir,
        )
    }

    conformance::suite!(open);
}

mod with_little_memory {
    use super::*;

    fn open() -> (Store, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions {
            memory_bytes: 2048,
            cache_bytes: 4096,
            ..EmbeddedOptions::default()
        };
        (Store::open_embedded(dir.path(), options).unwrap(), dir)
    }

    conformance::suite!(open);
}
