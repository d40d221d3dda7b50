//! P7: durable group commit at the engine, against one persist per commit.

fn main() {}
