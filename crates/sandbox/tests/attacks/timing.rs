//! How long a launch takes; printed, never asserted.

use std::time::{Duration, Instant};

use danbi_sandbox::{Launcher, Network, SandboxSpec};

use crate::harness::{For, Test};
use crate::outside::*;

pub const TESTS: &[Test] = &[("timing::launch", For::All, launch)];

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
