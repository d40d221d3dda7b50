//! The `danbi` binary.
fn main() {}
