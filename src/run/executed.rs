//! An executed plan as EXPLAIN ANALYZE shows it, without the rows' values.
//!
//! Executing a plan puts values of rows into it: the bounds that a join or a top-k pushes into a scan, the result of a
//! subquery. What a node says of itself is therefore kept from before, and its metrics are added afterwards.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;

/// The nodes of a plan, as they are before it is executed.
pub(super) struct Nodes(Vec<Node>);

struct Node {
    depth: usize,
    text: String,
    plan: Arc<dyn ExecutionPlan>,
}

impl Nodes {
    /// The nodes of `plan`, which is not executed yet.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut nodes = Vec::new();
        add(plan, 0, &mut nodes);
        Self(nodes)
    }

    /// A line for each node, with what its execution has cost so far.
    pub(super) fn with_metrics(&self) -> String {
        let mut text = String::new();
        for Node { depth, text: node, plan } in &self.0 {
            let metrics = plan.metrics().map_or_else(String::new, |metrics| {
                metrics.aggregate_by_name().sorted_for_display().timestamps_removed().to_string()
            });
            writeln!(text, "{:width$}{node}, metrics=[{metrics}]", "", width = depth * 2)
                .expect("writing to a string succeeds");
        }
        text
    }
}

fn add(plan: &Arc<dyn ExecutionPlan>, depth: usize, nodes: &mut Vec<Node>) {
    let text = DisplayableExecutionPlan::new(plan.as_ref()).one_line().to_string();
    nodes.push(Node { depth, text: text.trim_end().to_owned(), plan: Arc::clone(plan) });
    plan.children().into_iter().for_each(|child| add(child, depth + 1, nodes));
}
