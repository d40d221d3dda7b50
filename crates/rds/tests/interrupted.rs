//! Databases whose making is interrupted: the platform ends at each step of a restore, and when it is back each database
//! becomes available and lets its users in.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use danbi_rds::Step;
use std::collections::HashMap;
use support::{Engine, World};

tests![
    restores_of_mariadb_survive_the_end_of_the_platform_at_each_step,
    restores_of_postgres_survive_the_end_of_the_platform_at_each_step,
    an_empty_database_survives_the_end_of_the_platform_at_each_step,
    a_port_that_another_program_took_is_not_said_to_be_the_databases,
];

async fn restores_of_mariadb_survive_the_end_of_the_platform_at_each_step(world: World) {
    restores_survive(world, Engine::MariaDb, &Step::ALL).await;
}

async fn restores_of_postgres_survive_the_end_of_the_platform_at_each_step(world: World) {
    // Images of it are larger; those left out do for it what they do for the other.
    let steps = [
        Step::Filled,
        Step::Fetched,
        Step::Replayed,
        Step::Adopted,
        Step::Provisioned,
    ];
    restores_survive(world, Engine::Postgres, &steps).await;
}

async fn restores_survive(mut world: World, engine: Engine, steps: &[Step]) {
    let of_a_moment = steps.iter().map(|step| ("moment", *step));
    // All that an image does not need, and what begins differently.
    let of_an_image = [("image", Step::Filled), ("image", Step::Provisioned)];
    let stops: HashMap<String, Step> = of_a_moment
        .chain(of_an_image)
        .map(|(kind, step)| (format!("{kind}-{step:?}").to_lowercase(), step))
        .collect();
    world.start(HashMap::new()).await;
    world.create("todo", engine).await;
    world.query("todo", engine, "CREATE TABLE t (id INT PRIMARY KEY)").await;
    world.query("todo", engine, "INSERT INTO t VALUES (1)").await;
    world.snapshot("todo", "before").await;
    world.query("todo", engine, "INSERT INTO t VALUES (2)").await;
    world.end().await;

    world.start(stops.clone()).await;
    for name in stops.keys() {
        world.restore(name);
    }
    world.until_stopped_at(&stops).await;
    world.end().await;

    // While the platform is away, another program gets the port of one that nobody can know yet.
    let stolen = world.port_of("moment-filled").await;
    let _thief = world.steal(stolen).await;
    world.start(HashMap::new()).await;
    for name in stops.keys() {
        world.available(name).await;
        let rows = world.query(name, engine, "SELECT COUNT(*) FROM t").await;
        let expected = if name.starts_with("moment") { "2" } else { "1" };
        assert_eq!(rows, expected, "{name}");
    }
    assert_ne!(world.endpoint("moment-filled").await, Some(stolen));
    world.end().await;
}

async fn an_empty_database_survives_the_end_of_the_platform_at_each_step(mut world: World) {
    let steps = Step::ALL.iter().filter(|step| {
        // An empty one is filled at once.
        !matches!(step, Step::Filled | Step::Fetched | Step::Replayed)
    });
    let stops: HashMap<String, Step> = steps.map(|step| (format!("{step:?}").to_lowercase(), *step)).collect();
    world.start(stops.clone()).await;
    for name in stops.keys() {
        world.begin(name, Engine::MariaDb);
    }
    world.until_stopped_at(&stops).await;
    world.end().await;
    world.start(HashMap::new()).await;
    for name in stops.keys() {
        world.available(name).await;
        assert_eq!(world.query(name, Engine::MariaDb, "SELECT 7").await, "7", "{name}");
    }
    world.end().await;
}

async fn a_port_that_another_program_took_is_not_said_to_be_the_databases(mut world: World) {
    world.start(HashMap::new()).await;
    world.create("todo", Engine::MariaDb).await;
    let port = world.endpoint("todo").await.unwrap();
    world.end().await;
    let thief = world.steal(port).await;
    world.start(HashMap::new()).await;
    assert_eq!(world.status("todo").await, "incompatible-network");
    assert_eq!(world.endpoint("todo").await, Some(port));
    drop(thief);
    world.available("todo").await;
    assert_eq!(world.query("todo", Engine::MariaDb, "SELECT 7").await, "7");
    world.end().await;
}
