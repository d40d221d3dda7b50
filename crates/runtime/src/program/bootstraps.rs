use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The embedded language bootstraps, as they are mounted at `/var/runtime`.
const FILES: &[(&str, &[u8])] = &[
    ("bootstrap.py", include_bytes!("../../bootstrap/python/bootstrap.py")),
    (
        "danbi_lambda.py",
        include_bytes!("../../bootstrap/python/danbi_lambda.py"),
    ),
    (
        "danbi_lambda_async.py",
        include_bytes!("../../bootstrap/python/danbi_lambda_async.py"),
    ),
    (
        "danbi_lambda_log.py",
        include_bytes!("../../bootstrap/python/danbi_lambda_log.py"),
    ),
    (
        "danbi_template.py",
        include_bytes!("../../bootstrap/python/danbi_template.py"),
    ),
    (
        "snapshot_restore_py.py",
        include_bytes!("../../bootstrap/python/snapshot_restore_py.py"),
    ),
    // Empty where the sandbox has none for the machine.
    ("danbi_birth.so", danbi_sandbox::BIRTH_LIBRARY),
    ("index.mjs", include_bytes!("../../bootstrap/node/index.mjs")),
    ("api.cjs", include_bytes!("../../bootstrap/node/api.cjs")),
    ("console.cjs", include_bytes!("../../bootstrap/node/console.cjs")),
    ("errors.cjs", include_bytes!("../../bootstrap/node/errors.cjs")),
    ("handler.cjs", include_bytes!("../../bootstrap/node/handler.cjs")),
    ("worker.cjs", include_bytes!("../../bootstrap/node/worker.cjs")),
    ("concurrent.cjs", include_bytes!("../../bootstrap/node/concurrent.cjs")),
    ("invoke.cjs", include_bytes!("../../bootstrap/node/invoke.cjs")),
];

/// The certificates that are trusted inside, beside the bootstraps, where AWS has Amazon's.
pub(crate) const CERTIFICATES: &str = "ca-cert.pem";

/// The folder on this host that holds them.
#[derive(Debug, Clone)]
pub(crate) struct Bootstraps {
    dir: PathBuf,
    certified: bool,
}

impl Bootstraps {
    /// Writes the files into `dir`, readable by everyone. A file that already says the same is left alone.
    pub(crate) fn write(dir: &Path, certificates: Option<&str>) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755))?;
        let mut changed = false;
        for (name, bytes) in FILES {
            changed |= write(&dir, name, bytes)?;
        }
        if let Some(certificates) = certificates {
            write(&dir, CERTIFICATES, certificates.as_bytes())?;
        }
        if changed {
            // What was compiled from older files is trusted unchecked by the interpreter, so it must go.
            let _ = std::fs::remove_dir_all(dir.join("__pycache__"));
        }
        Ok(Self {
            dir,
            certified: certificates.is_some(),
        })
    }

    /// Where they are on this host.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of the certificates that are trusted inside, on this host.
    pub(crate) fn certificates(&self) -> Option<PathBuf> {
        self.certified.then(|| self.dir.join(CERTIFICATES))
    }

    /// The Python modules, to be compiled ahead.
    pub(crate) fn python_modules(&self) -> impl Iterator<Item = PathBuf> {
        [
            "danbi_lambda.py",
            "danbi_lambda_async.py",
            "danbi_lambda_log.py",
            "danbi_template.py",
            "snapshot_restore_py.py",
        ]
        .into_iter()
        .map(|name| self.dir.join(name))
    }
}

/// Writes a file unless it says the same already; whole or not at all. True when it was written.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<bool> {
    let path = dir.join(name);
    if std::fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    std::fs::rename(&fresh, &path)?;
    Ok(true)
}
