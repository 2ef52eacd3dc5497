//! Arrow files that no machine here writes: each is refused as what it is, and never read as something else.

use std::fs;

use crate::server::{postback, root, said};

#[test]
fn numbers_with_their_big_end_first_are_refused() {
    let folder = root().join("tests/data/big_endian");
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 12, "{names:?}");
    for name in names {
        let query = format!("SELECT * FROM '{name}'");
        let refused = said(postback(&["sql", &query]).current_dir(&folder));
        assert_eq!(refused.code, 5, "{name}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains("big end first"), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(&name), "{name}: {}", refused.stderr);
    }
}

/// The reader panics over some descriptions of columns; that is a fault of the file, and no defect.
#[test]
fn a_panic_over_a_damaged_file_is_told_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(root().join("fuzz/corpus/arrow_file/stream")).unwrap();
    for at in [83, 227, 230, 239, 299, 341] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x1f;
        fs::write(folder.path().join("damaged.arrows"), damaged).unwrap();
        let refused = said(postback(&["sql", "SELECT * FROM 'damaged.arrows'"]).current_dir(folder.path()));
        assert_eq!(refused.code, 5, "{at}: {}", refused.stderr);
        let is_told = refused.stderr.contains("`damaged.arrows` holds what no writer of its format writes");
        assert!(is_told && !refused.stderr.contains("defect of postback"), "{at}: {}", refused.stderr);
    }
}
