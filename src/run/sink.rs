//! The end of the plan: a DataFusion table that takes rows and turns them into events.
//!
//! `INSERT INTO postback.events SELECT …` becomes `DataSinkExec(EventsSink)`, visible in EXPLAIN and metered in EXPLAIN
//! ANALYZE. Batches are judged and encoded on as many threads as there are cores and taken up in order. The same sink
//! serves a preflight, which counts, and a delivery, which also hands batches to the driver: there is no second path.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::not_impl_err;
use datafusion::datasource::TableType;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;
use tokio::sync::watch;

use super::intake::Intake;
use super::stage::Stage;

/// The table `postback.events`: it can be inserted into, once, and not read.
#[derive(Debug)]
pub struct EventsTable {
    sink: Arc<EventsSink>,
}

impl EventsTable {
    /// A table whose rows go through `stage`, `tasks` batches at a time, into `intake`, until `stop` becomes true.
    #[must_use]
    pub fn new(schema: SchemaRef, stage: Stage, tasks: usize, intake: Intake, stop: watch::Receiver<bool>) -> Self {
        let metrics = ExecutionPlanMetricsSet::new();
        let builder = || MetricBuilder::new(&metrics);
        let judging = builder().subset_time("judge_and_encode", 0);
        let encoded = builder().counter("events_encoded", 0);
        let bytes = builder().counter("bytes_encoded", 0);
        let intake = Mutex::new(Some(intake));
        Self {
            sink: Arc::new(EventsSink {
                schema,
                stage: Arc::new(stage),
                tasks,
                intake,
                stop,
                metrics,
                judging,
                encoded,
                bytes,
            }),
        }
    }

    /// What the rows left behind, after the insert has run.
    #[must_use]
    pub fn into_intake(self: Arc<Self>) -> Option<Intake> {
        self.sink.intake.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.sink.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("postback.events can be inserted into, not read")
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if operation != InsertOp::Append {
            return not_impl_err!("events are appended, never replaced");
        }
        Ok(Arc::new(DataSinkExec::new(input, Arc::clone(&self.sink) as _, None)))
    }
}

/// Takes the rows of one insert.
pub struct EventsSink {
    schema: SchemaRef,
    stage: Arc<Stage>,
    tasks: usize,
    /// Taken while rows flow, and put back for the caller at the end.
    intake: Mutex<Option<Intake>>,
    stop: watch::Receiver<bool>,
    metrics: ExecutionPlanMetricsSet,
    judging: Time,
    encoded: Count,
    bytes: Count,
}

impl EventsSink {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Intake>> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventsSink {
    /// Moves batches from `data` into `intake`, judged on the way, until either has enough or `stop` becomes true.
    async fn pump(&self, data: SendableRecordBatchStream, intake: &mut Intake) -> Result<()> {
        let mut first_row = 0_u64;
        let staged = data.map(|batch: Result<RecordBatch>| {
            let stage = Arc::clone(&self.stage);
            let judging = self.judging.clone();
            let first = first_row;
            let batch = batch.inspect(|batch| first_row += batch.num_rows() as u64);
            async move {
                let batch = batch?;
                // Judging and hashing are heavy: they leave the runtime's threads free.
                tokio::task::spawn_blocking(move || {
                    let _timer = judging.timer();
                    stage.apply(&batch, first)
                })
                .await
                .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
            }
        });
        let mut staged = staged.buffered(self.tasks);
        let mut stop = self.stop.clone();
        loop {
            let next = tokio::select! {
                biased;
                // A sender that is gone will never stop anything.
                Ok(_) = stop.wait_for(|stop| *stop) => return Ok(()),
                next = staged.next() => next,
            };
            let Some(next) = next else {
                intake.read_all();
                return Ok(());
            };
            let next = next?;
            self.encoded.add(next.events.events.len());
            self.bytes.add(next.events.json.len());
            if !intake.take(next).await {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for EventsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsSink").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl DisplayAs for EventsSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventsSink(tasks={})", self.tasks)
    }
}

#[async_trait]
impl DataSink for EventsSink {
    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, data: SendableRecordBatchStream, _: &Arc<TaskContext>) -> Result<u64> {
        let Some(mut intake) = self.slot().take() else {
            return Err(DataFusionError::Internal("postback.events takes one insert".into()));
        };
        let outcome = self.pump(data, &mut intake).await;
        intake.finish(outcome.is_ok()).await;
        let rows = intake.tally().rows;
        // Also after an error: what was handed on before it stays accounted for.
        *self.slot() = Some(intake);
        outcome.map(|()| rows)
    }
}
