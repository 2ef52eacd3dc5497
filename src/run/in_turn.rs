//! Rows in an order that is the same in every run, so that the number of a row says which one it is.
//!
//! The engine reads on all cores, and takes each batch as it comes. Where a plan does nothing to its rows but to filter and
//! to compute, every part of it gives the same batches in every run: they are then taken in turn, one of each part, instead
//! of as they come. A plan that joins or groups mixes its rows before, on several cores; its rows have no numbers, on no
//! machine.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::stream::{self, StreamExt};

/// Batches of each part that wait for their turn.
const WAITING: usize = 2;

/// `plan` that takes its parts in turn, and whether its rows come in the same order in every run.
///
/// # Errors
/// The errors of the engine.
pub(super) fn in_turn(plan: Arc<dyn ExecutionPlan>) -> Result<(Arc<dyn ExecutionPlan>, bool)> {
    let taking = |node: Arc<dyn ExecutionPlan>| {
        let Some(mixing) = node.downcast_ref::<CoalescePartitionsExec>() else { return Ok(Transformed::no(node)) };
        let input = mixing.input();
        if mixing.fetch().is_some() || parts(input) < 2 || !keeps_order(input) {
            return Ok(Transformed::no(node));
        }
        let taken: Arc<dyn ExecutionPlan> = Arc::new(InTurnExec::new(Arc::clone(input)));
        Ok(Transformed::yes(taken))
    };
    let plan = plan.transform_up(taking).data()?;
    let is_same = plan.children().into_iter().all(keeps_order);
    Ok((plan, is_same))
}

fn parts(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

/// Whether each part of `plan` gives the same batches in the same order in every run.
fn keeps_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let node = plan.as_ref();
    let is_plain = node.is::<DataSourceExec>()
        || node.is::<StreamingTableExec>()
        || node.is::<LazyMemoryExec>()
        || node.is::<EmptyExec>()
        || node.is::<PlaceholderRowExec>()
        || node.is::<ProjectionExec>()
        || node.is::<FilterExec>()
        || node.is::<CooperativeExec>()
        || node.is::<UnionExec>()
        || node.is::<InTurnExec>()
        || node.is::<SortPreservingMergeExec>() && node.fetch().is_none()
        || node.is::<SortExec>() && node.fetch().is_none()
        || node.is::<LocalLimitExec>()
        || node.is::<GlobalLimitExec>()
        || (node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>())
            && plan.children().into_iter().all(|input| parts(input) == 1);
    is_plain && plan.children().into_iter().all(keeps_order)
}

/// Takes a batch of each part in turn.
#[derive(Debug)]
struct InTurnExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InTurnExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        let of_input = input.properties();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        )
        .with_evaluation_type(of_input.evaluation_type)
        .with_scheduling_type(of_input.scheduling_type);
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for InTurnExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InTurnExec")
    }
}

impl ExecutionPlan for InTurnExec {
    fn name(&self) -> &'static str {
        "InTurnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input)))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = 0..parts(&self.input);
        let started = parts.map(|part| {
            let batches = self.input.execute(part, Arc::clone(&context))?;
            Ok(spawn_buffered(batches, WAITING))
        });
        let started = started.collect::<Result<std::collections::VecDeque<_>>>()?;
        let taken = stream::unfold(started, |mut waiting| async move {
            while let Some(mut first) = waiting.pop_front() {
                if let Some(batch) = first.next().await {
                    waiting.push_back(first);
                    return Some((batch, waiting));
                }
            }
            None
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), taken)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// A plan of `query` over `t` and `u`, each in three parts.
    async fn planned(query: &str) -> (SessionContext, Arc<dyn ExecutionPlan>) {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
        let batch = |first: i64| {
            let numbers = Int64Array::from((first..first + 10).collect::<Vec<_>>());
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers)]).unwrap()
        };
        for table in ["t", "u"] {
            let parts = (0..3).map(|part| vec![batch(part * 100), batch(part * 100 + 10)]).collect();
            context.register_table(table, Arc::new(MemTable::try_new(Arc::clone(&schema), parts).unwrap())).unwrap();
        }
        let plan = context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        (context, plan)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn parts_are_taken_in_turn() {
        let (context, plan) = planned("SELECT a + 1 AS b FROM t WHERE a % 2 = 0").await;
        let root: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(plan));
        let root: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(root));
        let mut seen: Option<String> = None;
        for _ in 0..20 {
            let (plan, is_same) = in_turn(Arc::clone(&root)).unwrap();
            assert!(is_same);
            let batches = datafusion::physical_plan::collect(plan, context.task_ctx()).await.unwrap();
            let rows = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 30);
            assert_eq!(*seen.get_or_insert_with(|| rows.clone()), rows);
        }
    }

    #[tokio::test]
    async fn rows_that_are_mixed_have_no_order() {
        for (query, expected) in [
            ("SELECT a FROM t", true),
            ("SELECT a FROM t UNION ALL SELECT a FROM u", true),
            ("SELECT a FROM t ORDER BY a", true),
            ("SELECT a, count(*) FROM t GROUP BY a", false),
            ("SELECT t.a FROM t JOIN u ON t.a = u.a", false),
            ("SELECT DISTINCT a FROM t", false),
            ("SELECT a FROM t ORDER BY a LIMIT 5", false),
            ("SELECT a, row_number() OVER (PARTITION BY a ORDER BY a) FROM t", false),
        ] {
            let (_, plan) = planned(query).await;
            let root: Arc<dyn ExecutionPlan> = match parts(&plan) {
                1 => Arc::new(CooperativeExec::new(plan)),
                _ => Arc::new(CooperativeExec::new(Arc::new(CoalescePartitionsExec::new(plan)))),
            };
            assert_eq!(in_turn(root).unwrap().1, expected, "{query}");
        }
    }
}
