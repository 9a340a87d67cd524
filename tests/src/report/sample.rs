//! Invented results for the tests of the report.

use super::data::{
    BFF_REDIS, CASES, CHARTS, CONTENDERS, HalfLoad, IDLE_MEMORY, MOD_AUTH_OPENIDC, Measurement, NGINX,
    Results, Series,
};

fn measured(
    case: &str,
    connections: u32,
    contender: &str,
    cpu: (f64, Option<f64>),
    rate: f64,
) -> Measurement {
    Measurement {
        case: case.to_owned(),
        connections,
        contender: contender.to_owned(),
        cpu_us: cpu.0,
        redis_cpu_us: cpu.1,
        requests_per_second: rate,
        p50_us: 700.0,
        p99_us: 2_100.0,
    }
}

/// A few figures, for arithmetic that can be done in one's head.
pub(super) fn results() -> Results {
    let half_load = |contender: &str, p50_us, p99_us| HalfLoad {
        contender: contender.to_owned(),
        requests_per_second: 10_000.0,
        p50_us,
        p99_us,
    };
    Results {
        date: "2026-01-01".to_owned(),
        machine: "2 cores".to_owned(),
        versions: vec!["nginx 1.22".to_owned()],
        measurements: vec![
            measured("get-small", 32, NGINX, (20.0, None), 40_000.0),
            measured("get-small", 32, BFF_REDIS, (25.0, Some(1.0)), 28_000.0),
            measured("get-small", 32, MOD_AUTH_OPENIDC, (360.0, Some(56.0)), 2_000.0),
            measured("get-small", 256, NGINX, (20.0, None), 40_000.0),
            measured("get-small", 256, BFF_REDIS, (30.0, Some(2.0)), 27_000.0),
        ],
        half_load: vec![half_load(NGINX, 100.0, 300.0), half_load(BFF_REDIS, 160.0, 900.0)],
        series: vec![Series {
            chart: "sessions".to_owned(),
            contender: BFF_REDIS.to_owned(),
            points: vec![(1_000.0, 26.0), (100_000.0, 26.5), (1_000_000.0, 27.0)],
        }],
        facts: vec![IDLE_MEMORY.is(58.0)],
    }
}

/// Every contender in every case and chart.
pub(super) fn full() -> Results {
    let mut full = results();
    full.measurements.clear();
    full.series.clear();
    for (nth, case) in (0_u8..).zip(&CASES) {
        let nginx = 17.0 * f64::from(1 + nth % 5);
        for (contender, (factor, redis)) in CONTENDERS.iter().zip(FACTORS) {
            let cpu = nginx * (factor - f64::from(nth % 5) * factor / 8.0).max(0.9);
            full.measurements
                .push(measured(case.id, 32, contender.id, (cpu, redis), 1e6 / cpu));
        }
    }
    for axes in &CHARTS {
        let xs: &[f64] = match axes.id {
            "nodes" => &[1.0, 2.0, 3.0, 4.0],
            "connections" => &[1.0, 8.0, 64.0, 1_024.0],
            "body-size" => &[0.0, 1_024.0, 65_536.0, 1_048_576.0],
            _ => &[10.0, 1_000.0, 100_000.0, 1_000_000.0],
        };
        for (contender, (factor, _)) in CONTENDERS.iter().zip(FACTORS) {
            let y = |x: f64| (17.0 + (1.0 + x).log10()) * factor;
            full.series.push(Series {
                chart: axes.id.to_owned(),
                contender: contender.id.to_owned(),
                points: xs.iter().map(|x| (*x, y(*x))).collect(),
            });
        }
    }
    full
}

const FACTORS: [(f64, Option<f64>); 5] = [
    (1.0, None),
    (1.4, Some(0.4)),
    (1.3, None),
    (22.0, Some(58.0)),
    (9.0, Some(30.0)),
];
