//! The fuzz targets: their corpus and some mutations of it each time, and as many as one likes on demand.
//!
//! `POSTBACK_FUZZ_SECONDS=60 cargo test --test it -- --ignored fuzz::on_demand` runs all of them, so long each; with
//! `::csv_records` behind it, one. `POSTBACK_FUZZ_SEED` gives other mutations. What fails is kept in the folder for
//! temporary files, as short as it was found, and named: when the fault is mended, it belongs into `fuzz/corpus`.

#[expect(unreachable_pub, reason = "the module is a crate of its own for libFuzzer")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzzed;

use self::fuzzed::{driver, targets};
use crate::server::root;

/// Mutations of a corpus that are tried each time.
const MUTATIONS: u64 = 200;
/// Which mutations these are.
const SEED: u64 = 1;

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    driver::corpus(&root().join("fuzz/corpus").join(name))
}

/// Tests for each target.
macro_rules! targets {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        mod fixed {
            $(#[test]
            fn $name() {
                let corpus = super::corpus(stringify!($name));
                super::driver::each(stringify!($name), super::targets::$name, &corpus);
                let enough = |runs| runs == super::MUTATIONS;
                super::driver::mutations(stringify!($name), super::targets::$name, &corpus, super::SEED, enough);
            })*
        }

        mod on_demand {
            use std::time::{Duration, Instant};

            fn number(variable: &str, otherwise: u64) -> u64 {
                std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
            }

            $(#[test]
            #[ignore = "takes as long as one likes"]
            fn $name() {
                let corpus = super::corpus(stringify!($name));
                let end = Instant::now() + Duration::from_secs(number("POSTBACK_FUZZ_SECONDS", 60));
                let seed = number("POSTBACK_FUZZ_SEED", super::SEED);
                let enough = |_| Instant::now() > end;
                let runs = super::driver::mutations(stringify!($name), super::targets::$name, &corpus, seed, enough);
                eprintln!("{}: {runs} mutations of seed {seed}", stringify!($name));
            })*
        }
    };
}

targets! {
    csv_records json_objects parquet_file avro_blocks arrow_file delta_log manifest query_file api_response fault_script
    ledger_file
}

#[test]
fn every_target_is_run_by_libfuzzer_too() {
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for name in NAMES {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is no binary of fuzz");
        let shim = std::fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(shim.contains(&format!("postback_fuzz::targets::{name}(data)")), "{shim}");
    }
    let shims = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap().count();
    assert_eq!(shims, NAMES.len(), "a target is in no test");
}
