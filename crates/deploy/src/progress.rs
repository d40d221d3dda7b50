/// Told what the packaging is at; implemented by whoever shows it.
pub trait Progress: Send + Sync {
    /// A step begins that may take seconds or minutes: `installing 4 requirements with pip`.
    fn step(&self, what: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str) {}
}
