//! Builds the library by which templates fork into sandboxes: for the interpreter in the sandbox, so beside this crate.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "birth/lib.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let library = PathBuf::from(variable("OUT_DIR")).join("danbi_birth.so");
    if variable("CARGO_CFG_TARGET_ARCH") != "x86_64" {
        // Templates fork by copies there.
        std::fs::write(&library, []).expect("the folder of the build can be written");
        return;
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args([
        "--crate-name",
        "danbi_birth",
        "--crate-type",
        "cdylib",
        "--edition",
        "2024",
    ]);
    rustc.args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "strip=symbols"]);
    rustc.args(["-C", "link-args=-nostartfiles -nostdlib"]);
    rustc.args(["--target", &variable("TARGET")]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg(SOURCE).arg("-o").arg(&library);
    let built = rustc.status().expect("the compiler that builds the crate runs");
    assert!(built.success(), "{SOURCE} does not build");
}
