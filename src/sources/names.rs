//! The names under which the columns of a file are known to queries.

use std::collections::HashSet;

/// The exposed names of columns that a file calls `names`, in their order: each once.
///
/// A name that a column before it has gets a number behind it, and a column without a name is called by its place.
pub(super) fn exposed(names: &[String]) -> Vec<String> {
    let written: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut taken = HashSet::new();
    let mut exposed = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let base = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
        let mut unique = base.clone();
        let mut number = 2;
        while taken.contains(&unique) || (unique != *name && written.contains(unique.as_str())) {
            unique = format!("{base}_{number}");
            number += 1;
        }
        taken.insert(unique.clone());
        exposed.push(unique);
    }
    exposed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_name_of_its_own() {
        for (names, expected) in [
            (&["a", "b"][..], &["a", "b"][..]),
            (&["a", "a", "a"], &["a", "a_2", "a_3"]),
            (&["a", "a", "a_2"], &["a", "a_3", "a_2"]),
            (&["", "a", ""], &["column_1", "a", "column_3"]),
            (&["", "column_1"], &["column_1_2", "column_1"]),
        ] {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(exposed(&names), expected);
        }
    }
}
