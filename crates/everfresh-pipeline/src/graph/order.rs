//! The order in which nodes can run.

use super::{Node, NodeId, NodeKind, Problem};
use std::collections::BTreeSet;

/// Kahn's algorithm, smallest id first, so that the order follows the file; on failure the nodes of one cycle.
pub fn sort(nodes: &[Node]) -> Result<Vec<NodeId>, Vec<NodeId>> {
    let mut waits: Vec<usize> = vec![0; nodes.len()];
    let mut after: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        for before in node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()) {
            if let (Some(after), Some(waits)) = (after.get_mut(before), waits.get_mut(id)) {
                after.push(id);
                *waits += 1;
            }
        }
    }
    let mut ready: BTreeSet<NodeId> =
        waits.iter().enumerate().filter(|(_, waits)| **waits == 0).map(|(id, _)| id).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(id) = ready.pop_first() {
        order.push(id);
        for &next in after.get(id).into_iter().flatten() {
            if let Some(waits) = waits.get_mut(next) {
                *waits -= 1;
                if *waits == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    if order.len() == nodes.len() { Ok(order) } else { Err(one_cycle(nodes, &waits)) }
}

/// Walks back along what each node still waits for until a node comes up twice.
fn one_cycle(nodes: &[Node], waits: &[usize]) -> Vec<NodeId> {
    let stuck = |id: &NodeId| waits.get(*id).is_some_and(|&waits| waits > 0);
    let Some(mut at) = (0..nodes.len()).find(|id| stuck(id)) else { return Vec::new() };
    let mut path: Vec<NodeId> = Vec::new();
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            let mut cycle = path.split_off(start);
            cycle.reverse();
            return cycle;
        }
        path.push(at);
        let node = nodes.get(at);
        let before = node
            .into_iter()
            .flat_map(|node| node.inputs.iter().map(|(_, input)| *input).chain(node.gates.iter().copied()));
        match before.into_iter().find(|id| stuck(id)) {
            Some(next) => at = next,
            None => return path,
        }
    }
}

pub fn cycle_problem(nodes: &[Node], cycle: &[NodeId]) -> Problem {
    let names: Vec<&str> = cycle.iter().filter_map(|&id| nodes.get(id)).map(|node| node.name.as_str()).collect();
    let span = cycle
        .iter()
        .filter_map(|&id| nodes.get(id))
        .map(|node| match &node.kind {
            NodeKind::Source(source) => source.span.clone(),
            NodeKind::Step(step, _) | NodeKind::Python(step, _) => step.span.clone(),
            NodeKind::Check(check, _) => check.span.clone(),
            NodeKind::Sink(sink) => sink.span.clone(),
        })
        .next()
        .unwrap_or_default();
    let path = names.iter().chain(names.first()).copied().collect::<Vec<_>>().join(" → ");
    Problem::File {
        message: format!("these wait for each other: {path}"),
        span,
        help: Some("take one of these references out".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::model::{Source, SourceKind};

    fn node(inputs: &[NodeId]) -> Node {
        Node {
            name: "n".into(),
            kind: NodeKind::Source(Source {
                name: "n".into(),
                span: 0..0,
                kind: SourceKind::File { pattern: String::new(), options: Default::default(), check_content: false },
            }),
            inputs: inputs.iter().map(|&input| (String::new(), input)).collect(),
            gates: Vec::new(),
            partition_of: None,
        }
    }

    #[test]
    fn every_node_comes_after_what_it_reads() {
        let nodes = [node(&[2]), node(&[0, 2]), node(&[])];
        assert_eq!(sort(&nodes), Ok(vec![2, 0, 1]));
    }

    #[test]
    fn a_cycle_is_found_and_named() {
        let nodes = [node(&[]), node(&[0, 3]), node(&[1]), node(&[2])];
        let mut cycle = sort(&nodes).unwrap_err();
        cycle.sort_unstable();
        assert_eq!(cycle, vec![1, 2, 3]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_sorted_without_recursion() {
        let mut nodes = vec![node(&[])];
        nodes.extend((0..100_000).map(|before| node(&[before])));
        assert_eq!(sort(&nodes).map(|order| order.len()), Ok(100_001));
    }
}
