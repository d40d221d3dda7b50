use super::*;
use crate::shapes::*;
use danbi_core::{LogEvent, LogSink};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Names the folder to the process that is killed.
const FOLDER: &str = "DANBI_LOGS_CRASH_FOLDER";

/// The process that is killed: writes until then, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs only as the child of the test below"]
async fn writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(FOLDER) else { return };
    let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
    let (store, logs) = open(dir.as_ref(), &clock);
    // Crashes come again and again: group and stream may be there.
    let group = CreateLogGroupRequest {
        log_group_name: "g".into(),
        ..Default::default()
    };
    let _ = groups::create(logs.clone(), context(), group).await;
    let name = format!("s{}", std::process::id());
    let input = CreateLogStreamRequest {
        log_group_name: "g".into(),
        log_stream_name: name.clone(),
    };
    streams::create(logs.clone(), context(), input).await.unwrap();
    for n in 0_i64.. {
        let event = InputLogEvent {
            timestamp: NOW,
            message: n.to_string(),
        };
        let put = PutLogEventsRequest {
            log_group_name: "g".into(),
            log_stream_name: name.clone(),
            log_events: vec![event],
            ..Default::default()
        };
        let line = LogEvent {
            timestamp: Timestamp::from_millis(NOW),
            message: n.to_string(),
        };
        logs.write(&stream(&format!("{name}-printed")), vec![line]);
        events::put(logs.clone(), context(), put).await.unwrap();
        println!("acknowledged {name} {n}");
        if n % 10 == 0 {
            logs.flush().await;
            println!("flushed {name} {n}");
        }
    }
    store.close().await;
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected: Vec<(String, i64)> = vec![];
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::crashing::writes_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut put, mut printed) = (None, None);
        let mut killed = false;
        // What the child said before it died still comes out of the pipe behind the kill.
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let words: Vec<_> = line.split(' ').collect();
            let ["acknowledged" | "flushed", name, number] = words[..] else {
                continue;
            };
            let Ok(number) = number.parse::<i64>() else { continue };
            match words[0] {
                "flushed" => printed = Some((format!("{name}-printed"), number)),
                _ => put = Some((name.to_owned(), number)),
            }
            if number >= 20 + round * 7 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        expected.extend(put);
        expected.extend(printed);
    }
    assert_eq!(expected.len(), 12);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        let (store, logs) = open(dir.path(), &clock);
        for (name, last) in expected {
            let input = GetLogEventsRequest {
                log_group_name: Some("g".into()),
                log_stream_name: name.clone(),
                start_from_head: Some(true),
                ..Default::default()
            };
            let found = events::get(logs.clone(), context(), input)
                .await
                .unwrap()
                .events
                .unwrap();
            let found: Vec<i64> = found
                .iter()
                .map(|event| event.message.as_ref().unwrap().parse().unwrap())
                .collect();
            let whole: Vec<i64> = (0..i64::try_from(found.len()).unwrap()).collect();
            assert_eq!(found, whole, "{name} has a gap");
            assert!(
                found.last().is_some_and(|&found| found >= last),
                "{name} lost what was acknowledged: {last}"
            );
        }
        logs.drain().await;
        store.close().await;
    });
}
