//! The build system's own verbs: `cargo xtask …`.
fn main() {}
