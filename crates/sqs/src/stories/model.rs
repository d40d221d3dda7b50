//! Any sequence of sends, receives, deletes and changes is held against a queue of a few lines.

use super::*;
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// One step; receipts are counted from the latest.
#[derive(Debug, Clone)]
enum Step {
    Send { group: u8, delay: i32 },
    Receive { count: i32, seconds: i32 },
    Delete { receipt: usize },
    Change { receipt: usize, seconds: i32 },
    Pass { ms: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u8, prop_oneof![Just(0), 1..4i32]).prop_map(|(group, delay)| Step::Send { group, delay }),
        4 => (1..5i32, 0..4i32).prop_map(|(count, seconds)| Step::Receive { count, seconds }),
        3 => (0..4usize).prop_map(|receipt| Step::Delete { receipt }),
        2 => (0..4usize, 0..4i32).prop_map(|(receipt, seconds)| Step::Change { receipt, seconds }),
        3 => (0..3_000i64).prop_map(|ms| Step::Pass { ms }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A message of the model.
#[derive(Debug, Clone)]
struct Letter {
    body: String,
    group: u8,
    visible: i64,
    received: u32,
}

/// What a receiver holds: the message, and how often it had been received.
struct Receipt {
    message: Message,
    body: String,
    count: u32,
}

#[derive(Default)]
struct Model {
    fifo: bool,
    /// In the order of sending.
    letters: Vec<Letter>,
}

impl Model {
    /// What a receive must bring, in its order.
    fn visible(&self, now: i64, count: usize) -> Vec<String> {
        let mut found: Vec<(i64, usize)> = Vec::new();
        if !self.fifo {
            let visible = self
                .letters
                .iter()
                .enumerate()
                .filter(|(_, letter)| letter.visible <= now);
            found.extend(visible.map(|(at, letter)| (letter.visible, at)));
            found.sort_unstable();
            return found
                .iter()
                .take(count)
                .map(|(_, at)| self.letters[*at].body.clone())
                .collect();
        }
        for group in 0..3 {
            let head = self.letters.iter().position(|letter| letter.group == group);
            found.extend(head.map(|at| (self.letters[at].visible, at)));
        }
        found.sort_unstable();
        let line = |(_, at): &(i64, usize)| {
            let group = self.letters[*at].group;
            let line = self.letters.iter().filter(move |letter| letter.group == group);
            line.take_while(move |letter| letter.visible <= now)
                .map(|letter| letter.body.clone())
        };
        found.iter().flat_map(line).take(count).collect()
    }

    fn letter(&mut self, body: &str) -> Option<&mut Letter> {
        self.letters.iter_mut().find(|letter| letter.body == body)
    }
}

async fn follow(fifo: bool, steps: Vec<Step>) {
    let story = Story::begin().await;
    let mut attributes = vec![("VisibilityTimeout", "3")];
    if fifo {
        attributes.extend([("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    }
    let url = story.queue(if fifo { "q.fifo" } else { "q" }, &attributes).await;
    let mut model = Model {
        fifo,
        ..Model::default()
    };
    let mut receipts: Vec<Receipt> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let now = story.clock.now().as_millis();
        match step {
            Step::Send { group, delay } => {
                let body = format!("m{number}");
                let input = SendMessageRequest {
                    queue_url: url.clone(),
                    message_body: body.clone(),
                    delay_seconds: Some(delay).filter(|_| !fifo),
                    message_group_id: fifo.then(|| group.to_string()),
                    ..SendMessageRequest::default()
                };
                send::send(Arc::clone(&story.sqs), context(), input).await.unwrap();
                let delay = if fifo { 0 } else { i64::from(delay) * SECOND };
                model.letters.push(Letter {
                    body,
                    group,
                    visible: now + delay,
                    received: 0,
                });
            }
            Step::Receive { count, seconds } => {
                let expected = model.visible(now, count.unsigned_abs() as usize);
                let got = receive_from(&story.sqs, &url, count, Some(seconds), 0).await.unwrap();
                assert_eq!(bodies(&got), expected);
                for message in got {
                    let body = message.body.clone().unwrap();
                    let letter = model.letter(&body).unwrap();
                    letter.received += 1;
                    letter.visible = now + i64::from(seconds) * SECOND;
                    let count = letter.received;
                    assert_eq!(
                        system(&message, "ApproximateReceiveCount"),
                        Some(count.to_string().as_str())
                    );
                    receipts.push(Receipt { message, body, count });
                }
            }
            Step::Delete { receipt } => {
                let Some(at) = receipts.len().checked_sub(receipt + 1) else {
                    continue;
                };
                let held = &receipts[at];
                let deleted = delete_from(&story.sqs, &url, &held.message).await;
                let mine = model
                    .letter(&held.body)
                    .map(|letter| (letter.received == held.count, letter.visible > now));
                match (mine, fifo) {
                    (None, _) => deleted.unwrap(),
                    (Some((true, true)), _) | (Some((true, _)), false) => {
                        deleted.unwrap();
                        model.letters.retain(|letter| letter.body != held.body);
                    }
                    (Some(_), true) => assert!(deleted.is_err()),
                    (Some(_), false) => deleted.unwrap(),
                }
            }
            Step::Change { receipt, seconds } => {
                let Some(at) = receipts.len().checked_sub(receipt + 1) else {
                    continue;
                };
                let held = &receipts[at];
                let changed = change(&story.sqs, &url, &held.message, seconds).await;
                let letter = model.letter(&held.body);
                let mine = |letter: &Letter| letter.received == held.count && letter.visible > now;
                match letter.filter(|letter| !fifo || mine(letter)) {
                    Some(letter) => {
                        changed.unwrap();
                        letter.visible = now + i64::from(seconds) * SECOND;
                    }
                    None => assert!(changed.is_err()),
                }
            }
            Step::Pass { ms } => story.pass(ms),
        }
    }
    let now = story.clock.now().as_millis();
    let visible = model.letters.iter().filter(|letter| letter.visible <= now).count();
    let hidden = model.letters.iter().filter(|letter| letter.visible > now);
    let (flight, delayed): (Vec<_>, Vec<_>) = hidden.partition(|letter| letter.received > 0);
    let expected = [visible, flight.len(), delayed.len()].map(|count| count.to_string());
    assert_eq!(story.counts(&url).await, expected);
    story.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_is_what_the_model_says(fifo in any::<bool>(), steps in steps()) {
        Runtime::new().unwrap().block_on(follow(fifo, steps));
    }
}
