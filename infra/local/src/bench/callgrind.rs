//! Instructions of a process, counted by callgrind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::{Context, Error, Result};

/// Whether this machine has it.
pub fn is_installed() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// One count: the process is started with [`Count::command`] and, once it has ended, read with [`Count::total`].
#[derive(Debug)]
pub struct Count {
    out: PathBuf,
}

impl Count {
    /// A count whose file lies in `dir`.
    pub fn new(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).failed(format_args!("{} cannot be created", dir.display()))?;
        let out = dir.join("callgrind.out");
        // A count of an earlier run must not be taken for this one's.
        let _ = fs::remove_file(&out);
        Ok(Self { out })
    }

    /// What runs a binary and counts.
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", self.out.display()))
            .arg(binary);
        command
    }

    /// All instructions that the process has executed.
    pub fn total(self) -> Result<u64> {
        let text = fs::read_to_string(&self.out).failed("callgrind left no count")?;
        total(&text).ok_or_else(|| Error::Failed("callgrind's file holds no total".to_owned()))
    }
}

/// The total of a callgrind file: the first number of its `totals:` line, or of `summary:` where a run was cut short.
fn total(text: &str) -> Option<u64> {
    let number = |label: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(label))?;
        line.split_whitespace().next()?.parse().ok()
    };
    number("totals:").or_else(|| number("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_callgrinds_file() {
        let text = "# callgrind format\nversion: 1\npid: 7\nevents: Ir\nsummary: 12\n\nfn=(1) main\n16 400\n\ntotals: 6812345\n";
        assert_eq!(total(text), Some(6_812_345));
        assert_eq!(total("events: Ir Dr\nsummary: 41 7\n"), Some(41));
        for text in ["", "totals:", "totals: many\n", "fn=(1)\n16 400\n"] {
            assert_eq!(total(text), None, "{text}");
        }
    }
}
