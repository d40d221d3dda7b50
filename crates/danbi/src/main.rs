//! The `danbi` binary: `danbi serve` is the platform, every other verb is a client of it.

mod data_folder;
mod gateway;

fn main() {}
