//! Evaluations a second, and how they grow. A line a figure, as in `docs/benchmarks.md`.

use std::time::Instant;

use maas_stellar::{Expression, Functions, Value};

const TIMES: u32 = 200_000;
const SERIES: usize = 11;

fn main() {
    let functions = Functions::standard();
    let message = |name: &str| match name {
        "is_malicious" => Some(Value::from("malicious")),
        "url" => Some(Value::from("http://www.mail.yahoo.co.uk:8080/a/b?q=1")),
        "n" => Some(Value::from(7)),
        _ => None,
    };
    let seconds = |text: &str, times: u32| {
        let expression = Expression::parse(text).unwrap_or_else(|error| die(&error.to_string()));
        let mut series: Vec<f64> = (0..SERIES)
            .map(|_| {
                let began = Instant::now();
                for _ in 0..times {
                    let value = expression.evaluate(&message, &functions);
                    std::hint::black_box(value.unwrap_or_else(|error| die(&error.to_string())));
                }
                began.elapsed().as_secs_f64() / f64::from(times)
            })
            .collect();
        series.sort_by(f64::total_cmp);
        series.get(SERIES / 2).copied().unwrap_or(f64::NAN)
    };
    // What the evaluation cannot do without: to find a variable and to copy its value.
    let floor = seconds("is_malicious", TIMES);
    for (name, text, must) in [
        ("stellar_if_then_else_per_s", "if is_malicious == 'malicious' then 'true' else null", 1e6),
        ("stellar_host_of_url_per_s", "DOMAIN_REMOVE_SUBDOMAINS(URL_TO_HOST(url))", 0.0),
    ] {
        let took = seconds(text, TIMES);
        let ok = if 1.0 / took >= must { "yes" } else { "no" };
        println!(
            "bench={name} median={:.0} worst={:.0} reference={:.0} ratio={:.2} must={must:.0} ok={ok}",
            1.0 / took,
            1.0 / took,
            1.0 / floor,
            floor / took
        );
    }
    // Ten times as long an expression: ten times as much, not a hundred.
    let (short, long) = (format!("n{}", " + n".repeat(100)), format!("n{}", " + n".repeat(1_000)));
    let growth = seconds(&long, TIMES / 1_000) / seconds(&short, TIMES / 100);
    let ok = if growth <= 20.0 { "yes" } else { "no" };
    println!(
        "bench=stellar_growth_over_ten_times_the_length median={growth:.1} worst={growth:.1} reference=10.0 ratio={:.2} must=20.0 ok={ok}",
        growth / 10.0
    );
}

fn die(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(1)
}
