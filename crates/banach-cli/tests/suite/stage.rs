//! The folder, the data and the environment in which the tests run the command.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that is removed at the end of a test.
pub(crate) struct Stage(PathBuf);

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Stage {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("banach-suite-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A folder with small Bibtex files in `data`: each label follows from a feature.
    pub(crate) fn with_data() -> Self {
        let stage = Self::new();
        std::fs::create_dir(stage.path("data")).unwrap();
        for (name, rows) in [("train", 60), ("test", 30)] {
            std::fs::write(stage.path(&format!("data/bibtex-{name}.arff")), arff(rows)).unwrap();
        }
        stage
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The command, ready to run inside the folder.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_banach"));
        command.args(arguments).current_dir(&self.0);
        command
    }

    /// Runs the words of `line` as arguments.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line.split_whitespace()).output().unwrap()
    }

    /// Runs a line that must succeed, and gives its standard output and error.
    pub(crate) fn succeed(&self, line: &str) -> (String, String) {
        let output = self.run(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{line}: {err}");
        (out, err)
    }

    /// A JSON file of the folder.
    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A file of the right width in which feature k brings label k.
pub(crate) fn arff(rows: usize) -> String {
    let mut text = String::from("@relation small\n");
    (0..1836 + 159).for_each(|index| writeln!(text, "@attribute a{index} {{0,1}}").unwrap());
    text.push_str("@data\n");
    for row in 0..rows {
        let (one, other) = (row % 7, 7 + row % 5);
        writeln!(text, "{{{one} 1,{other} 1,{} 1,{} 1,{} 1}}", 100 + row, 1836 + one, 1836 + other).unwrap();
    }
    text
}
