use std::sync::atomic::{AtomicU64, Ordering};

/// How environments began, and what became of templates, since the runtime was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartCounts {
    /// Events given to an environment that was there.
    pub warm: u64,
    /// Environments made of a template.
    pub restored: u64,
    /// Environments made of a waiting Node.js process.
    pub assigned: u64,
    /// Environments with a process of their own: no template and no worker.
    pub started: u64,
    /// Templates made.
    pub templates_made: u64,
    /// Versions found unfit to be forked.
    pub templates_unfit: u64,
    /// Templates ended because their memory was needed.
    pub templates_evicted: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    warm: AtomicU64,
    restored: AtomicU64,
    assigned: AtomicU64,
    started: AtomicU64,
    templates_made: AtomicU64,
    templates_unfit: AtomicU64,
    templates_evicted: AtomicU64,
}

impl Counts {
    pub(crate) fn warm(&self) {
        self.warm.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restored(&self) {
        self.restored.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn assigned(&self) {
        self.assigned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn template_made(&self) {
        self.templates_made.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn template_unfit(&self) {
        self.templates_unfit.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn templates_evicted(&self, count: u64) {
        self.templates_evicted.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> StartCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StartCounts {
            warm: read(&self.warm),
            restored: read(&self.restored),
            assigned: read(&self.assigned),
            started: read(&self.started),
            templates_made: read(&self.templates_made),
            templates_unfit: read(&self.templates_unfit),
            templates_evicted: read(&self.templates_evicted),
        }
    }
}
