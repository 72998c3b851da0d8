//! What choosing an endpoint costs. A line a figure, as in `docs/benchmarks.md`.

use std::time::Instant;

use maas_client::{Choice, Directory, Wanted};
use maas_store::{Change, Endpoint, Root, Stat};

const TIMES: u32 = 1_000_000;
const SERIES: usize = 11;

fn main() {
    let mut directory = Directory::new(Root::default());
    for number in 1..=20_i64 {
        let endpoint = Endpoint {
            url: format!("http://host{number}:1500"),
            functions: std::collections::BTreeMap::new(),
            model: format!("model{}", number % 5),
            version: format!("{}.0", number % 2),
            revision: 1,
            container: String::new(),
            since_ms: 0,
        };
        let stat = Stat {
            czxid: number,
            mzxid: number,
            version: 0,
            ephemeral_owner: 1,
            ctime_ms: 0,
            mtime_ms: 0,
            num_children: 0,
        };
        let path = format!("/maas/endpoints/default/model/1-{number}");
        directory.take(Change::Put { path, data: endpoint.encode(), stat });
    }
    directory.take(Change::Listed);
    let view = arc_swap::ArcSwap::from_pointee(directory.view());
    for (name, choice) in [("choose_random_ns", Choice::Random), ("choose_of_two_ns", Choice::LeastLoadedOfTwo)] {
        let mut series: Vec<f64> = (0..SERIES)
            .map(|_| {
                let began = Instant::now();
                for _ in 0..TIMES {
                    let view = view.load();
                    std::hint::black_box(view.choose(Wanted::newest("model3"), choice, 7, &[]));
                }
                began.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
            })
            .collect();
        series.sort_by(f64::total_cmp);
        let [median, worst] = [SERIES / 2, SERIES - 1].map(|at| series.get(at).copied().unwrap_or(f64::NAN));
        let ok = if median <= 50.0 { "yes" } else { "no" };
        println!(
            "bench={name} median={median:.1} worst={worst:.1} reference=50.0 ratio={:.2} must=50.0 ok={ok}",
            median / 50.0
        );
    }
}
