//! The most memory a function has held while it served, as the kernel keeps it.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::json;

use super::{
    binaries::{Binaries, HELLO},
    figure::{Figure, millions},
    process::Process,
};
use crate::{
    error::{Error, Result},
    paths,
    stack::StackFile,
};

const SECTION: &str = "peak resident memory after serving";
const BOUND: (f64, &str) = (24.0, "aim <= 24 MB");
/// Functions that answer people or send to them; the others are stated.
const BOUNDED: [&str; 4] = ["message-send", "parent-api", "parent-verify", "staff-api"];

/// Peaks by function, the highest of all its processes.
#[derive(Debug, Default)]
pub struct Peaks(BTreeMap<String, u64>);

impl Peaks {
    /// Looks at every process of the stack's functions. To be called while they still live: the emulator ends idle ones.
    pub fn look(&mut self, stack: &StackFile) {
        let tap = format!("AWS_ENDPOINT_URL={}", stack.tap_url);
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for entry in processes {
            // A process that ends meanwhile, or is somebody else's, cannot be read and is not meant.
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            let variables: Vec<_> = environment.split(|byte| *byte == 0).collect();
            let has = |variable: &str| variables.contains(&variable.as_bytes());
            if !has(&tap) {
                continue;
            }
            let name = |physical: &str| format!("AWS_LAMBDA_FUNCTION_NAME={physical}");
            let Some(function) = stack.functions.iter().find(|known| has(&name(&known.physical_name))) else {
                continue;
            };
            let Some(peak) = fs::read_to_string(entry.path().join("status")).ok().as_deref().and_then(peak)
            else {
                continue;
            };
            let known = self.0.entry(function.name.clone()).or_default();
            *known = peak.max(*known);
        }
    }

    /// The peaks beside that of the smallest function.
    pub async fn figures(&self, binaries: &Binaries) -> Result<Vec<Figure>> {
        let hello = millions(hello(binaries).await?);
        let mut figures = vec![Figure::stated(SECTION, HELLO, hello, format!("{hello:.1} MB"))];
        for name in paths::functions()? {
            let Some(peak) = self.0.get(&name).copied().map(millions) else {
                figures.push(Figure::missing(SECTION, name, "it served nothing"));
                continue;
            };
            let measured = format!("{peak:.1} MB = {:.1}x hello", peak / hello);
            figures.push(if BOUNDED.contains(&name.as_str()) {
                Figure::at_most(SECTION, name, peak, measured, BOUND)
            } else {
                Figure::stated(SECTION, name, peak, measured)
            });
        }
        Ok(figures)
    }
}

/// The smallest function after one event.
async fn hello(binaries: &Binaries) -> Result<u64> {
    let command = Command::new(binaries.path(HELLO));
    let process = Process::start(command, &BTreeMap::new(), vec![json!({})]).await?;
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    process.stop().await?;
    peak(&status).ok_or_else(|| Error::Failed("the kernel says nothing about a process's memory".to_owned()))
}

/// `VmHWM` of a status file of `/proc`, in bytes.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_kernels_file() {
        let status = "Name:\tbootstrap\nVmPeak:\t  300000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   12000 kB\n";
        assert_eq!(peak(status), Some(12_345 * 1024));
        assert_eq!(peak("Name:\tkthreadd\n"), None);
    }
}
