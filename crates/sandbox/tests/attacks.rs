//! Placeholder until the launcher is whole.
fn main() {
    danbi_sandbox::run_launcher_if_asked();
}
