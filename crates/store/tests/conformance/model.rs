use std::collections::BTreeMap;

use danbi_store::{Direction, KeyRange, Store, StoreError, Transaction};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
    Get(Vec<u8>),
    Scan(Vec<u8>, Vec<u8>, bool, usize),
}

#[derive(Debug, Clone)]
struct Script {
    steps: Vec<Step>,
    commit: bool,
    relaxed: bool,
}

/// Keys from so small a space that steps meet: 0x00 and 0xff are where encodings go wrong.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(0xff)], 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (key(), vec(any::<u8>(), 0..20)).prop_map(|(key, value)| Step::Put(key, value)),
        2 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(start, end)| Step::DeleteRange(start, end)),
        2 => key().prop_map(Step::Get),
        2 => (key(), key(), any::<bool>(), 0..6_usize).prop_map(|(s, e, r, limit)| Step::Scan(s, e, r, limit)),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<Script>> {
    let script = (vec(step(), 1..12), prop::bool::weighted(0.8), any::<bool>());
    vec(
        script.prop_map(|(steps, commit, relaxed)| Script { steps, commit, relaxed }),
        1..12,
    )
}

/// Random transactions do to the store what they do to a map, and see there what they see in the map.
pub async fn behaves_as_a_map(store: Store) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let scripts = scripts().new_tree(&mut runner).unwrap().current();
        store
            .transact(async |tx| tx.delete_range(KeyRange::all()))
            .await
            .unwrap();
        let mut model = Model::new();
        for script in &scripts {
            let before = std::sync::Mutex::new(model.clone());
            let play = async |tx: Transaction| -> Result<(), StoreError> {
                let mut model = before.lock().unwrap().clone();
                for step in &script.steps {
                    play(&tx, &mut model, step).await?;
                }
                *before.lock().unwrap() = model;
                if script.commit {
                    Ok(())
                } else {
                    Err(StoreError::Conflict)
                }
            };
            let played = if script.relaxed {
                store.transact_relaxed(play).await
            } else {
                store.transact(play).await
            };
            assert_eq!(played.is_ok(), script.commit, "{script:?}");
            if script.commit {
                model = before.into_inner().unwrap();
            }
            let snapshot = store.snapshot().await.unwrap();
            let page = snapshot.scan(KeyRange::all(), Direction::Forward, 1000).await.unwrap();
            let found: Model = page
                .entries
                .iter()
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect();
            assert_eq!(found, model, "after {scripts:?}");
        }
    }
}

async fn play(tx: &Transaction, model: &mut Model, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Put(key, value) => {
            tx.put(key, value.clone())?;
            model.insert(key.clone(), value.clone());
        }
        Step::Delete(key) => {
            tx.delete(key)?;
            model.remove(key);
        }
        Step::DeleteRange(start, end) => {
            tx.delete_range(KeyRange::new(start.clone(), end.clone()))?;
            model.retain(|key, _| !(start <= key && key < end));
        }
        Step::Get(key) => assert_eq!(tx.get(key).await?.as_deref(), model.get(key).map(Vec::as_slice)),
        Step::Scan(start, end, reverse, limit) => {
            let direction = if *reverse {
                Direction::Reverse
            } else {
                Direction::Forward
            };
            let page = tx
                .scan(KeyRange::new(start.clone(), end.clone()), direction, *limit)
                .await?;
            let within = model.iter().filter(|(key, _)| start <= *key && *key < end);
            let mut expected: Vec<_> = within.map(|(key, value)| (key.clone(), value.clone())).collect();
            if *reverse {
                expected.reverse();
            }
            assert_eq!(page.more, expected.len() > *limit);
            expected.truncate(*limit);
            let found: Vec<_> = page
                .entries
                .iter()
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect();
            assert_eq!(found, expected);
        }
    }
    Ok(())
}
