//! The SQL functions, as `tests/slt/*.slt` states them.

use std::fs;
use std::path::Path;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};
use postback::contract::phone::Region;
use postback::contract::time;
use postback::functions::{self, Defaults};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};
use tokio::runtime::Runtime;

/// A session with the functions, and a runtime of its own to wait in.
struct Session {
    context: SessionContext,
    runtime: Runtime,
}

impl Session {
    fn new(defaults: &Defaults) -> Self {
        let mut context = SessionContext::new_with_config(
            SessionConfig::new().with_information_schema(true).with_target_partitions(2),
        );
        functions::register(&mut context, defaults).expect("a session takes functions");
        Self {
            context,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime"),
        }
    }
}

impl DB for Session {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        let batches = self.runtime.block_on(async { self.context.sql(sql).await?.collect().await })?;
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options))
                .collect::<Result<Vec<_>, _>>()?;
            rows.extend(
                (0..batch.num_rows())
                    .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>()),
            );
        }
        if rows.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; rows[0].len()], rows })
    }
}

/// What the file states and the functions do not do.
fn failure(path: &Path, defaults: &Defaults) -> Option<String> {
    let mut runner = Runner::new(|| async { Ok(Session::new(defaults)) });
    runner.run_file(path).err().map(|error| error.display(false).to_string())
}

#[test]
fn functions_do_what_the_sqllogictests_state() {
    let mut paths = fs::read_dir("tests/slt")
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable entry").path())
        .collect::<Vec<_>>();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    paths.sort();
    assert!(!paths.is_empty());
    let failures = paths.iter().filter_map(|path| {
        // The files named `defaults*` are about a session that has a default zone and region.
        let has_defaults = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("defaults"));
        let defaults = Defaults { zone: time::zone("America/Los_Angeles"), region: Region::parse("US") };
        failure(path, &if has_defaults { defaults } else { Defaults::default() })
    });
    let failures = failures.collect::<Vec<_>>();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
