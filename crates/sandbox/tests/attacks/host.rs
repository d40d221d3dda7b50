//! .
use crate::harness::{For, Test};
use danbi_sandbox::*;
pub const TESTS: &[Test] = &[("smoke", For::All, smoke)];
fn smoke() {
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(async {
        let l = Launcher::start(LauncherOptions::default()).unwrap();
        print!("{}", l.capabilities());
        for i in 0..3 {
        let t = std::time::Instant::now();
        let mut s = l.launch(SandboxSpec::new(["/bin/sh", "-c", "id; ls -la / /dev; cat /proc/self/status /proc/self/cgroup; ps ax; ls /proc/self/fd -la; cat /proc/mounts"])).await.unwrap();
        println!("launch {:?}", t.elapsed());
        let out = s.take_stdout().unwrap();
        println!("{:?}", s.wait().await);
        println!("{:?}", t.elapsed());
        let mut buf = vec![0;1<<16];
        if i == 0 { if let Ok(n) = rustix::io::read(&out, &mut buf) { println!("{}", String::from_utf8_lossy(&buf[..n])); } }
        }
    });
}
