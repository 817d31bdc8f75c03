//! Where the program under test lies.

use std::{env, path::PathBuf};

/// The `portreeve` to run: the one that `PORTREEVE_BIN` names, or the one in the target folder that
/// this program was built into.
pub fn portreeve_binary() -> PathBuf {
    if let Some(path) = env::var_os("PORTREEVE_BIN") {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "PORTREEVE_BIN names {}, and no program is there",
            path.display()
        );
        return path;
    }
    let own = env::current_exe().expect("the path of this program");
    let mut folder = own.parent().expect("a folder");
    // Tests lie one folder deeper than programs.
    if folder.ends_with("deps") {
        folder = folder.parent().expect("a folder");
    }
    let path = folder.join("portreeve");
    assert!(
        path.is_file(),
        "there is no {}: build it first with `cargo build -p portreeve` (the test command does), or \
         name one with PORTREEVE_BIN",
        path.display()
    );
    path
}
