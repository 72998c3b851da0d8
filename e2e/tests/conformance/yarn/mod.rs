//! YARN: the simulated ResourceManager and its NodeManagers against real ones.

mod pair;
mod real;
mod script;

use std::time::Duration;

use crate::shrink::{gist, shrink, story};
use pair::run;
use real::Real;
use script::random;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; make conformance runs it"]
async fn the_simulated_resource_manager_and_a_real_one_do_alike() {
    let real = Real::start().await;
    let (seed, count) = (crate::seed(), crate::setting("CONFORMANCE_YARN_OPS", 200));
    let script = random(seed, usize::try_from(count).unwrap());
    match run(&real, &script).await {
        Ok(played) => println!("yarn seed={seed} {played}"),
        Err((at, first)) => {
            println!("seed {seed}, step {at}: {first}");
            let time = Duration::from_secs(crate::setting("CONFORMANCE_SHRINK_S", 120));
            let about = gist(&first);
            let alike = async |script: &[_]| run(&real, script).await.is_err_and(|(_, what)| gist(&what) == about);
            let short = shrink(&script[..=at], time, alike).await;
            panic!("seed {seed}, step {at}: {first}\n\nThe shortest script that fails:\n{}", story(&short));
        }
    }
}
