//! Cycles in a directed graph.

/// Edges between numbered nodes.
#[derive(Debug)]
pub(super) struct Edges {
    out: Vec<Vec<usize>>,
}

impl Edges {
    pub(super) fn new(nodes: usize) -> Self {
        Self { out: vec![Vec::new(); nodes] }
    }

    /// Joins two nodes; a node is never joined with itself.
    pub(super) fn add(&mut self, from: usize, to: usize) {
        if from != to {
            self.out[from].push(to);
        }
    }

    /// The nodes of some cycle in order, where there is one.
    pub(super) fn cycle(&self) -> Option<Vec<usize>> {
        // 0: not seen, 1: on the path, 2: done with.
        let mut state = vec![0_u8; self.out.len()];
        for start in 0..self.out.len() {
            if state[start] != 0 {
                continue;
            }
            state[start] = 1;
            let mut path = vec![(start, 0)];
            while let Some((node, next)) = path.last_mut() {
                let Some(&to) = self.out[*node].get(*next) else {
                    state[*node] = 2;
                    path.pop();
                    continue;
                };
                *next += 1;
                match state[to] {
                    0 => {
                        state[to] = 1;
                        path.push((to, 0));
                    }
                    1 => {
                        let begin = path.iter().position(|(node, _)| *node == to)?;
                        return Some(path[begin..].iter().map(|(node, _)| *node).collect());
                    }
                    _ => {}
                }
            }
        }
        None
    }
}
