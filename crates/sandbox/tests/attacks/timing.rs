//! How long a launch takes; printed, never asserted.

use std::time::{Duration, Instant};

use danbi_sandbox::{Launcher, Network, SandboxSpec};

use crate::harness::{For, Test};
use crate::outside::*;

pub const TESTS: &[Test] = &[("timing::launch", For::All, launch), ("timing::calls", For::All, calls)];

const RUNS: usize = 30;

fn launch() {
    story(async {
        for (ready, network) in [
            (0, Network::None),
            (2, Network::None),
            (0, Network::Egress),
            (2, Network::Egress),
        ] {
            let launcher = launcher_with(|options| options.ready_sandboxes = ready);
            let mut times = Vec::new();
            let mut lives = Vec::new();
            for _ in 0..RUNS {
                let (launched, lived) = one(&launcher, network).await;
                times.push(launched);
                lives.push(lived);
            }
            times.sort();
            lives.sort();
            let network = if launcher.capabilities().egress {
                network
            } else {
                Network::None
            };
            println!(
                "/bin/true, {ready} prepared, {network:?}: started after {:?} (p90 {:?}), over after {:?}",
                times[RUNS / 2],
                times[RUNS * 9 / 10],
                lives[RUNS / 2]
            );
        }
    });
}

/// A pause first, as between two cold starts, so that what is kept ready is ready.
async fn one(launcher: &Launcher, network: Network) -> (Duration, Duration) {
    tokio::time::sleep(Duration::from_millis(40)).await;
    let mut spec = SandboxSpec::new(["/bin/true"]);
    spec.network = network;
    let start = Instant::now();
    let sandbox = launcher.launch(spec).await.unwrap();
    let launched = start.elapsed();
    sandbox.wait().await;
    (launched, start.elapsed())
}

/// What an invocation pays: thaw before, freeze after, and a connection into the sandbox.
fn calls() {
    story(async {
        let launcher = launcher();
        let script =
            "import socket\ns=socket.create_server(('127.0.0.1',8080)); print('up',flush=True)\nwhile 1: s.accept()";
        let mut sandbox = launcher
            .launch(SandboxSpec::new(["/usr/bin/python3", "-c", script]))
            .await
            .unwrap();
        assert_eq!(line(&mut output(&mut sandbox)).await, "up");
        let (mut frozen, mut thawed, mut connected) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let start = Instant::now();
            sandbox.freeze().await.unwrap();
            frozen.push(start.elapsed());
            let start = Instant::now();
            sandbox.thaw().await.unwrap();
            thawed.push(start.elapsed());
            let start = Instant::now();
            drop(sandbox.connect(8080).await.unwrap());
            connected.push(start.elapsed());
        }
        for (what, times) in [
            ("freeze", &mut frozen),
            ("thaw", &mut thawed),
            ("connect", &mut connected),
        ] {
            times.sort();
            println!("{what}: {:?} (p90 {:?})", times[RUNS / 2], times[RUNS * 9 / 10]);
        }
    });
}
