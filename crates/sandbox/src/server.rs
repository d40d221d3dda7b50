//! The launcher process.

/// Turns this process into the launcher if it was started as one, and then does not return. Must be the first line
/// of `main`, before any thread exists.
pub fn run_launcher_if_asked() {
    if crate::launcher::asked() {
        std::process::exit(70);
    }
}
