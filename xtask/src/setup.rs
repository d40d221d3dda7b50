//! What demo and tests need from Debian, PyPI and npm: looked for first, installed only when it is missing, so that a
//! second run needs no network.

use crate::step::{cargo, find, must, root, target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INSTALL_TIME_OUT: Duration = Duration::from_secs(1200);

/// A Debian package, and how to see whether what it gives is there.
struct Need {
    package: &'static str,
    there: fn() -> bool,
}

const DEMO: [Need; 5] = [
    Need {
        package: "python3",
        there: || find("python3").is_some(),
    },
    Need {
        package: "python3-pip",
        there: || answers("python3", &["-m", "pip", "--version"]),
    },
    Need {
        package: "python3-venv",
        there: || answers("python3", &["-c", "import ensurepip, venv"]),
    },
    Need {
        package: "nodejs",
        there: || find("node").is_some(),
    },
    Need {
        package: "nftables",
        there: || find("nft").is_some() || Path::new("/usr/sbin/nft").exists(),
    },
];
/// The AWS CLI is Debian's: PyPI's `awscli` is version 1, and its `awscliv2` downloads a binary from elsewhere. The tools to
/// build with are for `aws-lambda-ric`, whose native part npm compiles. rclone, s3cmd and a browser are clients of S3.
const TESTS: [Need; 16] = [
    // The parts without the service that Debian starts.
    Need {
        package: "mariadb-server-core",
        there: || Path::new("/usr/sbin/mariadbd").exists(),
    },
    Need {
        package: "mariadb-client",
        there: || find("mariadb-binlog").is_some(),
    },
    Need {
        package: "postgresql",
        there: || Path::new("/usr/lib/postgresql/15/bin/postgres").exists(),
    },
    Need {
        package: "rclone",
        there: || find("rclone").is_some(),
    },
    Need {
        package: "s3cmd",
        there: || find("s3cmd").is_some(),
    },
    Need {
        package: "chromium",
        there: || find("chromium").is_some(),
    },
    Need {
        package: "chromium-driver",
        there: || find("chromedriver").is_some(),
    },
    Need {
        package: "iproute2",
        there: || find("ip").is_some() || Path::new("/usr/sbin/ip").exists(),
    },
    Need {
        package: "npm",
        there: || find("npm").is_some(),
    },
    Need {
        package: "awscli",
        there: || answers("/usr/bin/aws", &["--version"]),
    },
    Need {
        package: "build-essential",
        there: || find("g++").is_some() && find("make").is_some(),
    },
    Need {
        package: "cmake",
        there: || find("cmake").is_some(),
    },
    Need {
        package: "autoconf",
        there: || find("autoconf").is_some(),
    },
    Need {
        package: "automake",
        there: || find("automake").is_some(),
    },
    Need {
        package: "libtool",
        there: || find("libtoolize").is_some(),
    },
    // `danbi deploy` builds Go programs with it.
    Need {
        package: "golang-go",
        there: || find("go").is_some(),
    },
];

const PYTHON_PACKAGES: [&str; 7] = [
    "PyMySQL==1.2.4",
    "boto3==1.43.11",
    "pg8000==1.31.6",
    "psycopg[binary]==3.3.9",
    "pytest==8.4.2",
    "pytest-xdist==3.8.0",
    "requests==2.32.5",
];
const AWSLAMBDARIC: &str = "awslambdaric==4.2.2";
/// A package of more than 20 MB: numpy is in it for its size and its native code.
const FLASK_APP: [&str; 4] = ["flask==3.1.1", "numpy==2.2.6", "apig-wsgi==2.20.0", "gunicorn==23.0.0"];
/// The to-do list and what deploys it, in an environment of their own, because Zappa packages the one that it runs in.
const ZAPPA: [&str; 6] = [
    "zappa==0.63.0",
    "Django==5.2.19",
    "djangorestframework==3.16.1",
    "django-storages[s3]==1.14.6",
    "PyMySQL==1.2.4",
    "cryptography",
];
/// What the tests of Zappa's settings deploy, small because Zappa packages all of it each time.
const ZAPPA_FLASK: [&str; 2] = ["zappa==0.63.0", "flask==3.1.1"];
/// The last one that runs on Node 18 and 20; 4 asks for 22. Its native part is compiled by its install scripts, which npm
/// from 11 on runs only where the project says so.
const AWS_LAMBDA_RIC: &str =
    r#"{"private":true,"dependencies":{"aws-lambda-ric":"3.3.0"},"allowScripts":{"aws-lambda-ric":true}}"#;
const EXPRESS_APP: &str = r#"{"private":true,"dependencies":{"express":"5.1.0","ws":"8.18.3"}}"#;

/// Where the tests find what was set up.
pub struct TestEnvironment {
    /// The folder of it all.
    pub folder: PathBuf,
    /// Its Python.
    pub python: PathBuf,
    /// What could not be had: the tests of it will say so.
    pub missing: Vec<String>,
}

/// For `cargo xtask demo`.
pub fn for_demo() -> Result<(), String> {
    debian(&DEMO)
}

/// For `cargo xtask test`.
pub fn for_tests() -> Result<TestEnvironment, String> {
    debian(&DEMO)?;
    debian(&TESTS)?;
    let folder = target().join("test-env");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let python = folder.join("venv/bin/python");
    python_environment(&folder, "venv", &PYTHON_PACKAGES)?;
    let mut missing = Vec::new();
    missing.extend(python_environment(&folder, "zappa", &ZAPPA).err());
    missing.extend(python_environment_with_wheels(&folder, "zappa-flask", &ZAPPA_FLASK).err());
    missing.extend(wheels(&folder, &python, "awslambdaric", &[AWSLAMBDARIC]).err());
    missing.extend(wheels(&folder, &python, "flask-app", &FLASK_APP).err());
    missing.extend(
        node_modules(
            &folder,
            "aws-lambda-ric",
            AWS_LAMBDA_RIC,
            "aws-lambda-ric/dist/rapid-client.node",
        )
        .err(),
    );
    missing.extend(node_modules(&folder, "express-app", EXPRESS_APP, "express").err());
    missing.extend(rust_example(&folder).err());
    Ok(TestEnvironment {
        folder,
        python,
        missing,
    })
}

/// Makes the Python environment `name` with packages of PyPI in it.
fn python_environment(folder: &Path, name: &str, packages: &[&str]) -> Result<(), String> {
    let environment = folder.join(name);
    let python = environment.join("bin/python");
    once(folder, name, &packages.join(" "), &python, || {
        must(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
            INSTALL_TIME_OUT,
        )?;
        pip(Command::new(&python).args(["-m", "pip", "install"]).args(packages))
    })
}

/// The same, with the wheels of it all in its folder `wheels`: Zappa's `slim_handler` installs them at each deployment,
/// and what builds wheels with it.
fn python_environment_with_wheels(folder: &Path, name: &str, packages: &[&str]) -> Result<(), String> {
    let environment = folder.join(name);
    let python = environment.join("bin/python");
    let wheels = environment.join("wheels");
    once(folder, name, &packages.join(" "), &python, || {
        must(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
            INSTALL_TIME_OUT,
        )?;
        pip(Command::new(&python)
            .args(["-m", "pip", "wheel", "--wheel-dir"])
            .arg(&wheels)
            .args(packages)
            .arg("setuptools"))?;
        pip(Command::new(&python)
            .args(["-m", "pip", "install", "--no-index", "--find-links"])
            .arg(&wheels)
            .args(packages))
    })
}

/// Installs packages of PyPI into the folder `name`, as they go into a deployment package.
fn wheels(folder: &Path, python: &Path, name: &str, packages: &[&str]) -> Result<(), String> {
    let target = folder.join(name);
    once(folder, name, &packages.join(" "), &target, || {
        pip(Command::new(python)
            .args(["-m", "pip", "install", "--upgrade", "--target"])
            .arg(&target)
            .args(packages))
    })
}

/// Installs what the `package.json` asks for into the folder `name`; `result` below `node_modules` shows that it worked.
fn node_modules(folder: &Path, name: &str, package_json: &str, result: &str) -> Result<(), String> {
    let project = folder.join(name);
    let modules = project.join("node_modules");
    once(folder, name, package_json, &modules.join(result), || {
        let failed = |error| format!("cannot write {}: {error}", project.display());
        fs::create_dir_all(&project).map_err(failed)?;
        fs::write(project.join("package.json"), package_json).map_err(failed)?;
        let mut command = Command::new("npm");
        command
            .args(["install", "--no-audit", "--no-fund"])
            .current_dir(&project);
        // Without the headers that came with Node, its build tool would download them.
        let prefix = find("node").and_then(|node| Some(node.parent()?.parent()?.to_owned()));
        if let Some(prefix) = prefix.filter(|prefix| prefix.join("include/node/node.h").exists()) {
            command.env("npm_config_nodedir", prefix);
        }
        must(&mut command, INSTALL_TIME_OUT)?;
        if modules.join(result).exists() {
            Ok(())
        } else {
            Err(format!("npm left no {result} behind"))
        }
    })
}

/// Builds `examples/rust-http`, whose binary a test deploys by itself.
fn rust_example(folder: &Path) -> Result<(), String> {
    let binary = folder.join("rust-http/bootstrap");
    let sources = ["Cargo.toml", "Cargo.lock", "src/main.rs"]
        .map(|name| fs::read_to_string(root().join("examples/rust-http").join(name)).unwrap_or_default());
    once(folder, "rust-http", &sources.concat(), &binary, || {
        let build = folder.join("rust-http/build");
        let mut command = cargo();
        command
            .args(["build", "--release", "--locked"])
            .current_dir(root().join("examples/rust-http"))
            .env("CARGO_TARGET_DIR", &build);
        must(&mut command, INSTALL_TIME_OUT)?;
        fs::copy(build.join("release/rust-http"), &binary)
            .map(drop)
            .map_err(|error| format!("cannot copy to {}: {error}", binary.display()))
    })
}

/// Does `work` unless `result` is there and was made from the same `recipe`.
fn once(
    folder: &Path,
    name: &str,
    recipe: &str,
    result: &Path,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let stamp = folder.join(format!("{name}.stamp"));
    if result.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == recipe) {
        println!("  {name}: already there");
        return Ok(());
    }
    // Should this be cut short, the next run does it again.
    let _ = fs::remove_file(&stamp);
    work().map_err(|reason| format!("{name} could not be set up: {reason}"))?;
    fs::write(&stamp, recipe).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

fn pip(command: &mut Command) -> Result<(), String> {
    must(
        command.args([
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar=off",
            "--quiet",
        ]),
        INSTALL_TIME_OUT,
    )
    .map(drop)
}

fn debian(needs: &[Need]) -> Result<(), String> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !(need.there)())
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !answers("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        return Err(format!(
            "some Debian packages are missing; install them and run this again:\n  sudo {line}"
        ));
    }
    println!("installing from Debian: {}", missing.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // Lists that are a little old still install; a failure shows in the next line.
    let _ = must(apt().args(["update", "-qq"]), INSTALL_TIME_OUT);
    must(
        apt()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing),
        INSTALL_TIME_OUT,
    )
    .map(drop)
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output();
    output.is_ok_and(|output| output.status.success())
}
