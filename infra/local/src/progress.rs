//! A spinner on anything that takes more than a moment; plain lines where there is no terminal (CI, a pipe).
//! Everything goes to standard error, so that a token or an export on standard output stays alone.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// One step of work that is under way.
#[derive(Debug)]
pub struct Step {
    bar: Option<ProgressBar>,
    what: String,
    started: Instant,
}

impl Step {
    /// Announces a step.
    pub fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            bar.set_style(spinner_style());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("{what} …");
        }
        Self { bar, what, started: Instant::now() }
    }

    /// Announces a step during which another program shows how far it is, such as Cargo with a bar of its own.
    pub fn beside(what: impl Into<String>) -> Self {
        let what = what.into();
        eprintln!("{what} …");
        Self { bar: None, what, started: Instant::now() }
    }

    /// Says what the step is at; shown only on a terminal, where it replaces the line.
    pub fn note(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {detail}", self.what));
        }
    }

    /// Says how much of a known amount is done: on a terminal the spinner becomes a bar.
    pub fn at(&self, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(of as u64) {
                bar.set_style(bar_style());
                bar.set_length(of as u64);
            }
            bar.set_position(done as u64);
        }
    }

    /// Ends the step well.
    pub fn done(self) {
        let line = format!("{} ({:.1} s)", self.what, self.started.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => {
                bar.finish_and_clear();
                eprintln!("✓ {line}");
            }
            None => eprintln!("✓ {line}"),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} [{elapsed}] {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
