//! `cargo xtask demo`: from a fresh machine to a real app that answers, in one command.

use crate::setup;
use crate::step::{cargo, end, must, root, target};
use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const BUILD_TIME_OUT: Duration = Duration::from_secs(3600);
const VERB_TIME_OUT: Duration = Duration::from_secs(900);
const READY_TIME_OUT: Duration = Duration::from_secs(60);
const ANSWER_TIME_OUT: Duration = Duration::from_secs(60);
const LOG_TIME_OUT: Duration = Duration::from_secs(5);
const APP: &str = "guestbook-flask";

/// A platform that ends with the demo.
struct Platform {
    process: Child,
    url: String,
    address: String,
    data: PathBuf,
    danbi: PathBuf,
}

impl Drop for Platform {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Runs the verb. `--release` builds as for use; without a terminal the demo ends by itself.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let release = match arguments {
        [] => false,
        [flag] if flag == "--release" => true,
        _ => return Err("usage: cargo xtask demo [--release]".into()),
    };
    title(1, "what the demo needs from Debian");
    setup::for_demo()?;
    title(2, "building danbi (the first time takes some minutes)");
    let mut build = cargo();
    build
        .args(["build", "--package", "danbi", "--locked"])
        .args(release.then_some("--release"));
    must(&mut build, BUILD_TIME_OUT)?;
    title(3, "starting the platform");
    let mut platform = start(&target().join(if release { "release" } else { "debug" }).join("danbi"))?;
    println!("  {} with its data in {}", platform.url, platform.data.display());
    title(
        4,
        "deploying examples/guestbook-flask: a Flask app with a template, static files, SQLite and PyPI dependencies",
    );
    platform.danbi(&["deploy", &root().join("examples").join(APP).to_string_lossy()])?;
    title(5, "calling it");
    let path = format!("/_danbi/app/{APP}/");
    platform.http(
        "POST",
        &path,
        "name=Danbi&text=The+rain+that+comes+exactly+when+it+is+needed",
    )?;
    println!("  {}", platform.http("GET", &format!("{path}entries"), "")?.trim());
    title(6, "its logs");
    platform.await_log("wrote");
    platform.danbi(&["logs", APP])?;
    title(7, "what to try next");
    let Platform { url, danbi, data, .. } = &platform;
    let port = url.rsplit(':').next().unwrap_or_default();
    println!("  open      http://{APP}.localhost:{port}/");
    println!("  export    DANBI_ENDPOINT={url} DANBI_DATA={}", data.display());
    for verb in [
        "status",
        "logs -f guestbook-flask",
        "invoke guestbook-flask --path /health",
        "deploy examples/express",
        "exec -- aws lambda list-functions",
        "doctor",
    ] {
        println!("  {} {verb}", danbi.display());
    }
    if std::io::stdin().is_terminal() {
        println!("\nThe platform runs until you press Ctrl-C.");
        // Ctrl-C reaches the platform too, which drains; its end is the demo's.
        let _ = platform.process.wait();
    }
    Ok(())
}

fn title(number: u32, what: &str) {
    println!("\n[{number}/7] {what}");
}

fn start(danbi: &Path) -> Result<Platform, String> {
    let data = target().join("demo-data");
    if data.exists() {
        fs::remove_dir_all(&data).map_err(|error| {
            format!(
                "cannot empty {}: {error}; does an earlier demo still run?",
                data.display()
            )
        })?;
    }
    // The address that every example in the documentation uses, when it is free.
    let listen = if TcpListener::bind("127.0.0.1:4566").is_ok() {
        "127.0.0.1:4566"
    } else {
        "127.0.0.1:0"
    };
    let mut process = Command::new(danbi)
        .args(["serve", "--listen", listen, "--data"])
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", danbi.display()))?;
    let Some(stdout) = process.stdout.take() else {
        return Err("the platform has no standard output".into());
    };
    let (sender, ready) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody waits for lines after the first.
            let _ = sender.send(line);
        }
    });
    let line = ready.recv_timeout(READY_TIME_OUT).unwrap_or_default();
    let Some(address) = line.strip_prefix("danbi ready on http://") else {
        end(&mut process);
        return Err(
            "the platform did not start; what it printed above says why, and `danbi doctor` checks this machine".into(),
        );
    };
    let (url, address) = (format!("http://{address}"), address.to_owned());
    Ok(Platform {
        process,
        url,
        address,
        data,
        danbi: danbi.to_owned(),
    })
}

impl Platform {
    fn danbi(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(&self.danbi);
        command
            .args(arguments)
            .env("DANBI_ENDPOINT", &self.url)
            .env("DANBI_DATA", &self.data);
        for name in [
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ] {
            command.env_remove(name);
        }
        must(&mut command, VERB_TIME_OUT).map(drop)
    }

    /// Waits until the app's log holds `line`: lines are committed together, some time after they were written.
    fn await_log(&self, line: &str) {
        let deadline = Instant::now() + LOG_TIME_OUT;
        while Instant::now() < deadline {
            let mut command = Command::new(&self.danbi);
            command
                .args(["logs", APP])
                .env("DANBI_ENDPOINT", &self.url)
                .env("DANBI_DATA", &self.data);
            if command
                .output()
                .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(line))
            {
                return;
            }
        }
    }

    /// One request by path, so that no name has to be resolved. Gives the body.
    fn http(&self, method: &str, path: &str, form: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{method} {path}: {error}");
        println!("  {method} {}{path}", self.url);
        let mut stream = TcpStream::connect(&self.address).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_TIME_OUT)).map_err(failed)?;
        let (address, length) = (&self.address, form.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        );
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with(['2', '3']) {
            return Err(format!("{method} {path} was answered with {status}:\n{answer}"));
        }
        Ok(answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default())
    }
}
